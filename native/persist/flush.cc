// Flush and drain: see flush.h. They are inline assembly, so that the file needs no -m flag that would let the compiler
// use the same extensions elsewhere. clflushopt and clwb are written as their encodings (clflush and xsaveopt with a 66
// prefix, Intel SDM volume 2), which also assemblers accept that are too old to know the names.
#include "persist/flush.h"

#include <cstdint>

namespace daxkind::persist {

namespace {

template <typename WriteBack>
void forEachLine(const void* address, size_t length, WriteBack writeBack) {
    if (length == 0) return;
    // The instructions below name one byte of the line. The compiler must have made the stores to the other bytes, too.
    asm volatile("" ::: "memory");
    const uintptr_t line = cacheLineSize();
    const auto begin = reinterpret_cast<uintptr_t>(address);
    const uintptr_t end = begin + length;
    for (uintptr_t at = begin & ~(line - 1); at < end; at += line) writeBack(reinterpret_cast<char*>(at));
}

}  // namespace

#if defined(__x86_64__)

void flush(const void* address, size_t length, FlushInstruction instruction) {
    switch (instruction) {
        case FlushInstruction::kClwb:
            forEachLine(address, length, [](char* at) { asm volatile(".byte 0x66; xsaveopt %0" : "+m"(*at)); });
            break;
        case FlushInstruction::kClflushopt:
            forEachLine(address, length, [](char* at) { asm volatile(".byte 0x66; clflush %0" : "+m"(*at)); });
            break;
        case FlushInstruction::kClflush:
            forEachLine(address, length, [](char* at) { asm volatile("clflush %0" : "+m"(*at)); });
            break;
        default:
            break;
    }
}

void drain() {
    asm volatile("sfence" ::: "memory");
}

#elif defined(__aarch64__)

void flush(const void* address, size_t length, FlushInstruction instruction) {
    switch (instruction) {
        case FlushInstruction::kDcCvap:
            // DC CVAP by its encoding, for assemblers that want -march=armv8.2-a for the name (Arm ARM C5.3).
            forEachLine(address, length, [](char* at) {
                asm volatile("sys #3, c7, c12, #1, %0" ::"r"(at) : "memory");
            });
            break;
        case FlushInstruction::kDcCvac:
            forEachLine(address, length, [](char* at) { asm volatile("dc cvac, %0" ::"r"(at) : "memory"); });
            break;
        default:
            break;
    }
}

void drain() {
    asm volatile("dsb sy" ::: "memory");
}

#else

void flush(const void*, size_t, FlushInstruction) {}

void drain() {
    __sync_synchronize();
}

#endif

}  // namespace daxkind::persist
