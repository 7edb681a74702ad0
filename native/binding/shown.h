// ArrayBuffers over memory that scripts get to see, and so can start operations of Node's with that go on after the
// ArrayBuffer is detached.
#pragma once

#include <napi.h>

#include <memory>

namespace daxkind {

/// An externalArrayBuffer (external.h) whose `owner` lives until the object itself is garbage, too. An operation of
/// Node's that is under way (fs.read, socket.write, zlib, crypto) holds the view that it was given, and through it the
/// ArrayBuffer; but of the memory it has only the address, and detaching makes the backing store let go of that.
napi_value shownArrayBuffer(napi_env env, void* data, size_t length, std::shared_ptr<void> owner);

}  // namespace daxkind
