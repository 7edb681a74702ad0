// The environment variables that libpmem and libpmem2 obey (libpmem(7), libpmem2(7)), for tests and measurements: they
// keep instructions from being used. Each is read once.
#pragma once

#include <cstdlib>
#include <cstring>

namespace daxkind::persist {

// Whether the variable has exactly this value.
inline bool isInEnvironment(const char* name, const char* value) {
    const char* const found = std::getenv(name);
    return found != nullptr && std::strcmp(found, value) == 0;
}

}  // namespace daxkind::persist
