// A word that JavaScript reads, or writes, while native code of another thread does: JavaScript's own loads and stores
// of an Int32Array are relaxed atomics to C++.
#pragma once

#include <atomic>

namespace daxkind {

// Looks like a plain T. Whoever changes it by more than one store (+=, |=) is the only one who writes it, as far as
// that word's rules go: the heap under its lock, or the thread that owns the cache.
template <typename T>
class SharedWord {
    static_assert(sizeof(std::atomic<T>) == sizeof(T) && std::atomic<T>::is_always_lock_free);

  public:
    operator T() const { return value_.load(std::memory_order_relaxed); }
    SharedWord& operator=(T value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    SharedWord& operator=(const SharedWord& other) { return *this = static_cast<T>(other); }
    SharedWord& operator+=(T value) { return *this = static_cast<T>(*this + value); }
    SharedWord& operator-=(T value) { return *this = static_cast<T>(*this - value); }
    SharedWord& operator|=(T value) { return *this = static_cast<T>(*this | value); }
    SharedWord& operator&=(T value) { return *this = static_cast<T>(*this & value); }

    // Whether it was `expected`, and is `desired` now. What the thread that wrote `expected` did before is visible
    // then.
    bool exchange(T expected, T desired) {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acq_rel, std::memory_order_relaxed);
    }

  private:
    std::atomic<T> value_;
};

}  // namespace daxkind
