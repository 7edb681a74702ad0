// The tables and constants that JavaScript's fast paths share with the heap.
#include <napi.h>

#include "binding/exports.h"
#include "heap/heap.h"

namespace daxkind {

namespace {

Napi::Object kindLayout(Napi::Env env) {
    Napi::Object result = Napi::Object::New(env);
    Napi::Uint8Array classOfQuantum = Napi::Uint8Array::New(env, kMaxSlabSize / kSizeQuantum + 1);
    Napi::Uint32Array classSizes = Napi::Uint32Array::New(env, kSlabClasses);
    // Nothing can be made in a worker that is being terminated.
    if (classOfQuantum.IsEmpty() || classSizes.IsEmpty()) return result;
    for (uint32_t i = 0; i <= kMaxSlabSize / kSizeQuantum; i++) {
        classOfQuantum[i] = static_cast<uint8_t>(classOf(i * kSizeQuantum));
    }
    for (uint32_t i = 0; i < kSlabClasses; i++) classSizes[i] = classSize(i);
    result["classOfQuantum"] = classOfQuantum;
    result["classSizes"] = classSizes;
    const auto set = [&result](const char* name, int64_t value) { result[name] = static_cast<double>(value); };
    set("sizeQuantum", kSizeQuantum);
    set("maxSlabSize", kMaxSlabSize);
    set("runCode", kRunCode);
    set("runMagazines", kRunMagazines);
    set("magazineShift", kMagazineShift);
    set("unitsShift", kUnitsShift);
    set("magazineLimit", kMagazineLimit);
    set("magazineCode", kMagazineCode);
    set("byNumber", kByNumber);
    set("cachedUnitsWord", kCachedUnitsWord);
    set("cachedUnitsLimitWord", kCachedUnitsLimitWord);
    set("resultSegmentWord", kResultSegmentWord);
    set("resultOffsetWord", kResultOffsetWord);
    set("resultPendingWord", kResultPendingWord);
    set("failedClassesWord", kFailedClassesWord);
    set("failedUnitsWord", kFailedUnitsWord);
    set("pressureWord", kPressureWord);
    set("segmentSize", 1u << kSegmentShift);
    set("chunkSize", kChunkSize);
    set("slabStart", kSlabStart);
    set("slabShape", kSlabShape);
    set("slabFree", kSlabFree);
    set("slabOwnerShift", kSlabOwnerShift);
    set("slabOwners", kMostOwners);
    set("manyOwners", kManyOwners);
    set("slabGroup", kSlabGroup);
    set("handleOut", kHandleOut);
    set("referenceShared", static_cast<uint32_t>(ReferenceSort::kShared));
    set("referenceCollected", static_cast<uint32_t>(ReferenceSort::kCollected));
    set("referenceGuarded", static_cast<uint32_t>(ReferenceSort::kGuarded));
    set("slabClassBits", kSlabClassBits);
    set("slabSlotsBits", kSlabSlotsBits);
    set("descriptorWords", kDescriptorWords);
    set("groupShift", kGroupShift);
    set("spreadShift", kSpreadShift);
    set("lineShift", kLineShift);
    set("leastUnitShift", kLeastUnitShift);
    set("rawGenerationBits", kRawGenerationBits);
    set("unitTagShift", RunAllocator::kTagShift);
    set("largeTag", RunAllocator::kLarge >> RunAllocator::kTagShift);
    set("slabTag", RunAllocator::kSlab >> RunAllocator::kTagShift);
    return result;
}

}  // namespace

void exportKindLayout(Napi::Env env, Napi::Object exports) {
    exports["kindLayout"] = kindLayout(env);
}

}  // namespace daxkind
