// The environment variables that libpmem and libpmem2 obey (libpmem(7), libpmem2(7)). They are for tests and
// measurements: they keep instructions from being used.
#pragma once

#include <string>

namespace daxkind::persist {

// The value that a variable had when the process began; empty if it had none. A script can change the environment while
// another thread reads it, and nobody can change /proc/self/environ.
std::string startVariable(const char* name);

}  // namespace daxkind::persist
