// The process's SIGBUS handler. A fault in a range that is watched (watched.h) maps memory of zeros there, private to
// this process, and the access goes on. Every other signal goes to the handler that was there before, or does what it
// would have done without this one.
//
// Others set handlers, too: `process.on('SIGBUS')` puts libuv's in place of this one, and removing it sets the default
// action. Two notice that: the guard's own thread, which looks twice a second, and lib/guard.ts, at once. They call
// arm() again. From then on foreign signals go to what arm() found there.
#pragma once

#include <semaphore.h>

namespace daxkind::guard {

// Installs the handler, if it is not there. Any thread may call this at any time.
void arm();
// Whether the handler is installed.
bool isArmed();
// A semaphore that is posted after each fault that was served.
sem_t& served();

}  // namespace daxkind::guard
