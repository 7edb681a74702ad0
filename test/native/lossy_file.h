// A file in memory that is mapped and loses pages. truncate() takes them away, and an access is SIGBUS then.
#pragma once

#include <cstddef>
#include <cstdint>

namespace test {

uint64_t pageSize();

class LossyFile {
  public:
    // Makes and maps the file. Each page is filled with its number.
    explicit LossyFile(uint64_t pages);
    LossyFile(const LossyFile&) = delete;
    LossyFile& operator=(const LossyFile&) = delete;
    ~LossyFile();

    char* base() const { return base_; }
    uint64_t length() const { return length_; }
    // A byte of the mapping. The compiler touches it as often as the code says.
    volatile char& at(uint64_t offset) const { return base_[offset]; }
    // A byte of the file, whatever is mapped there.
    char inFile(uint64_t offset) const;

    // Gives the file so many pages. New pages are empty.
    void truncate(uint64_t pages);
    // Gives the file so many pages and fills each with its number.
    void fill(uint64_t pages);
    // Maps a part of the file again at its old place. 0 or -errno.
    int mapAgain(uint64_t offset, uint64_t length);

  private:
    int fd_;
    uint64_t length_;
    char* base_;
};

}  // namespace test
