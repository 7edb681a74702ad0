// Objects of one environment, by the numbers that JavaScript knows. A number is never used again. A script that runs in
// the middle of one of our calls can end an object and make another one, and the rest of the call must not find the new
// one.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace daxkind {

template <typename T>
class Numbered {
  public:
    int64_t add(std::unique_ptr<T> object) {
        objects_[++last_] = std::move(object);
        return last_;
    }
    // Null if there is none of that number, or no longer.
    T* find(int64_t number) {
        if (number != lastFound_) {
            const auto at = objects_.find(number);
            if (at == objects_.end()) return nullptr;
            lastFound_ = number;
            found_ = at->second.get();
        }
        return found_;
    }
    std::unique_ptr<T> take(int64_t number) {
        const auto at = objects_.find(number);
        if (at == objects_.end()) return nullptr;
        lastFound_ = 0;
        found_ = nullptr;
        std::unique_ptr<T> object = std::move(at->second);
        objects_.erase(at);
        return object;
    }
    std::unordered_map<int64_t, std::unique_ptr<T>>& all() { return objects_; }

  private:
    std::unordered_map<int64_t, std::unique_ptr<T>> objects_;
    int64_t last_ = 0;
    // Most calls are for the same object as the call before. 0 and null: nothing was found before.
    int64_t lastFound_ = 0;
    T* found_ = nullptr;
};

}  // namespace daxkind
