// See environment.h.
#include "persist/environment.h"

#include <fstream>

namespace daxkind::persist {

std::string startVariable(const char* name) {
    std::ifstream environment("/proc/self/environ", std::ios::binary);
    const std::string prefix = std::string(name) + "=";
    for (std::string entry; std::getline(environment, entry, '\0');) {
        if (entry.compare(0, prefix.size(), prefix) == 0) return entry.substr(prefix.size());
    }
    return "";
}

}  // namespace daxkind::persist
