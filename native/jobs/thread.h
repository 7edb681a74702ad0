// Threads of this process that no script knows of.
#pragma once

namespace daxkind {

// Starts a detached thread with a small stack (256 KiB). It blocks all signals but those of faults, so that the
// process's other threads get its signals. 0 or -EAGAIN.
int startThread(void* (*body)(void*), void* data);

}  // namespace daxkind
