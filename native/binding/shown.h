// ArrayBuffers over memory that scripts get to see, and so can do all sorts of things to: start operations of Node's
// that go on after the ArrayBuffer is detached, mark it so that nobody can detach it, move its memory to another one.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>

namespace daxkind {

// Of one environment.
struct ShownBuffers {
    struct Pin;
    struct EndWatch;
    // One for each ArrayBuffer that is not garbage.
    std::unordered_set<Pin*> pins;
    // Whether a mark keeps others from detaching an ArrayBuffer here, so that there has to be a watch.
    bool isWatching = true;
    // The newest, and what keeps it from being garbage.
    EndWatch* watch = nullptr;
    napi_ref watchReference = nullptr;
};

// An externalArrayBuffer (external.h) whose `owner` lives until the object itself is garbage, too. An operation of
// Node's that is under way (fs.read, socket.write, zlib, crypto) holds the view that it was given, and through it the
// ArrayBuffer; but of the memory it has only the address, and detaching makes the backing store let go of that.
napi_value shownArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<void> owner);

// Detaches an ArrayBuffer, whatever a script has done to it: every view of it has length 0 then.
void detachArrayBuffer(napi_env env, napi_value buffer);

}  // namespace daxkind
