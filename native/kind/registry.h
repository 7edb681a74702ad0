// The kinds of this process, and the numbers of their raw handles. A thread that has a kind's number and secret can
// attach to it while somebody holds it.
//
// All calls may be made from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace daxkind {

struct Kind;

// Gives the kind its number, and starts the decay of its storage. Called once, before anybody allocates from it.
void registerKind(const std::shared_ptr<Kind>& kind);
// A registered kind ends. From now on another kind may get the numbers of its raw handles.
void unregisterKind(const Kind& kind);
// Null if no kind has the number any more, if the secret is wrong, or if secretOf() has not been called for the kind.
std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret);
// 128 random bits in hexadecimal, made when they are first asked for. 0 or -errno.
int secretOf(Kind& kind, std::string* secret);
// The first of `count` numbers that only this kind has for its raw handles, the same for all threads. 0: there is no
// such range of numbers.
uint64_t firstHandleOf(Kind& kind, uint64_t count);
// Whether a kind of this process has or had this number for a raw handle. The kind may be closed.
bool isHandleOfSomeKind(uint64_t number);
// 52 random bits that tell this process's handles from another's.
uint64_t processNonce();

}  // namespace daxkind
