// The process's SIGBUS handler. A fault in a range that is watched (watched.h) becomes memory of zeros, private to this
// process, and the access goes on; every other signal goes to the handler that was there before, or does what it would
// have done without this one.
//
// Others set handlers, too: `process.on('SIGBUS')` puts libuv's in place of this one, and its removal the default
// action. Whoever notices (the guard's own thread, which looks twice a second, and lib/guard.ts at once) calls arm()
// again: what is there by then is what foreign signals go to.
#pragma once

#include <semaphore.h>

namespace daxkind::guard {

// Installs the handler, if it is not there. May be called from any thread, at any time.
void arm();
// Whether it is there.
bool isArmed();
// Posted after each fault that has been served.
sem_t& served();

}  // namespace daxkind::guard
