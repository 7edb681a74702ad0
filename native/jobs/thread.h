// Threads of this process that no script knows of.
#pragma once

namespace daxkind {

// Starts one, detached, with a small stack (256 KiB). The process's signals are for its other threads; a fault is its
// own. 0 or -EAGAIN.
int startThread(void* (*body)(void*), void* data);

}  // namespace daxkind
