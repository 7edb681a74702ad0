// An array in DRAM whose pages exist only once they are touched. The heap reserves metadata for its whole capacity when
// it is made, and pays only for what it uses. The array starts as zeros and never moves. It is not thread-safe.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>

namespace daxkind::syscalls {

template <typename T>
class LazyArray {
  public:
    LazyArray() = default;
    LazyArray(const LazyArray&) = delete;
    LazyArray& operator=(const LazyArray&) = delete;
    ~LazyArray() { close(); }

    bool isOpen() const { return data_ != nullptr; }

    // Reserves room for `count` elements. 0, or -errno (ENOMEM).
    int reserve(size_t count) {
        bytes_ = (count == 0 ? 1 : count) * sizeof(T);
        void* const at =
            mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) return -errno;
        // Without this the first touch could take a transparent huge page, 2 MiB of DRAM.
        madvise(at, bytes_, MADV_NOHUGEPAGE);
        data_ = static_cast<T*>(at);
        return 0;
    }

    // Gives all of it back.
    void close() {
        if (data_ != nullptr) munmap(data_, bytes_);
        data_ = nullptr;
    }

    T& operator[](size_t index) { return data_[index]; }
    const T& operator[](size_t index) const { return data_[index]; }

    T* data() { return data_; }
    size_t bytes() const { return bytes_; }

  private:
    T* data_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace daxkind::syscalls
