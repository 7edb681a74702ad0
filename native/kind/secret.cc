#include "kind/secret.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdint>

namespace daxkind {

int makeSecret(std::string* secret) {
    uint8_t bits[16];
    const ssize_t got = getrandom(bits, sizeof bits, 0);
    if (got != sizeof bits) return got < 0 ? -errno : -EIO;
    secret->clear();
    for (const uint8_t byte : bits) {
        for (const uint32_t digit : {byte >> 4, byte & 15}) *secret += "0123456789abcdef"[digit];
    }
    return 0;
}

}  // namespace daxkind
