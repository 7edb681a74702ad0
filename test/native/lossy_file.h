// A file in memory that is mapped and loses pages: who truncates it takes them away, and an access is SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>

namespace test {

uint64_t pageSize();

class LossyFile {
  public:
    // Mapped; each page is filled with its number.
    explicit LossyFile(uint64_t pages);
    LossyFile(const LossyFile&) = delete;
    LossyFile& operator=(const LossyFile&) = delete;
    ~LossyFile();

    char* base() const { return base_; }
    uint64_t length() const { return length_; }
    // A byte of the mapping, which the compiler touches as often as it is written here.
    volatile char& at(uint64_t offset) const { return base_[offset]; }
    // A byte of the file, whatever is mapped.
    char inFile(uint64_t offset) const;

    // From now on it has so many pages; new ones are empty.
    void truncate(uint64_t pages);
    // It has so many pages, each filled with its number.
    void fill(uint64_t pages);
    // Maps a part of the file where it was. 0 or -errno.
    int mapAgain(uint64_t offset, uint64_t length);

  private:
    int fd_;
    uint64_t length_;
    char* base_;
};

}  // namespace test
