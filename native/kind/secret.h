// What a thread must know to join something that another thread has shared, because a number could be guessed.
#pragma once

#include <string>

namespace daxkind {

// 128 random bits in hexadecimal. 0 or -errno.
int makeSecret(std::string* secret);

}  // namespace daxkind
