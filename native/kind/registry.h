// The kinds of this process: who has a kind's number and secret can join it while somebody holds it. And the numbers
// that their raw handles are made of.
//
// All calls may be made from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace daxkind {

struct Kind;

// Gives the kind its number, and has its storage decay. Called once, before anybody allocates from it.
void registerKind(const std::shared_ptr<Kind>& kind);
// The end of a registered kind: its raw handles' numbers may be another kind's.
void unregisterKind(const Kind& kind);
// Null if the number is no kind's any more, or the secret is another, or nobody has asked for that yet.
std::shared_ptr<Kind> findKind(uint32_t number, const std::string& secret);
// 128 random bits in hexadecimal, made when they are first asked for. 0 or -errno.
int secretOf(Kind& kind, std::string* secret);
// The first of `count` numbers for raw handles that are the kind's alone, the same for each thread. 0: there are none.
uint64_t firstHandleOf(Kind& kind, uint64_t count);
// Whether a kind of this process, maybe a closed one, has or had this number for its raw handles.
bool isHandleOfSomeKind(uint64_t number);
// Tells this process's handles from another's: 52 random bits.
uint64_t processNonce();

}  // namespace daxkind
