// A word that JavaScript reads or writes while native code on another thread does the same. To C++, JavaScript's loads
// and stores of an Int32Array are relaxed atomics.
#pragma once

#include <atomic>

namespace daxkind {

// Looks like a plain T. A change that is a load and a store (+=, |=) is only allowed to the one who may write the word
// at that moment: the heap under its lock, or the thread that owns the cache.
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

    // Puts `desired` in place of `expected`. False if the word was not `expected`. After a success, all is visible that
    // the thread that wrote `expected` did before.
    bool exchange(T expected, T desired) {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acq_rel, std::memory_order_relaxed);
    }

  private:
    std::atomic<T> value_;
};

}  // namespace daxkind
