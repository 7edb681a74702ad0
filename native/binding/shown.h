// ArrayBuffers over memory that scripts see. Scripts can do all sorts of things to them: start operations of Node's
// that go on after the ArrayBuffer is detached, mark it so that nobody can detach it, or move its memory to another
// ArrayBuffer.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>

namespace daxkind {

// What one environment keeps for them.
struct ShownBuffers {
    struct Pin;
    struct EndWatch;
    // One pin for each ArrayBuffer that is not garbage.
    std::unordered_set<Pin*> pins;
    // Whether a mark can keep others from detaching an ArrayBuffer in this version of Node. If so, there has to be a
    // watch.
    bool isWatching = true;
    // The newest watch, and the reference that keeps it from being garbage.
    EndWatch* watch = nullptr;
    napi_ref watchReference = nullptr;
};

// An externalArrayBuffer (external.h) whose `owner` also lives until the ArrayBuffer object itself is garbage. An
// operation of Node's that is under way (fs.read, socket.write, zlib, crypto) holds the view that it was given, and
// through it the ArrayBuffer. But it knows the memory only by its address, and once the ArrayBuffer is detached, its
// backing store no longer keeps that memory.
napi_value shownArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<void> owner);

// Detaches an ArrayBuffer, even if a script has marked it. Every view of it has length 0 then.
void detachArrayBuffer(napi_env env, napi_value buffer);

}  // namespace daxkind
