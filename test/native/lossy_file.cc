#include "lossy_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "check.h"

namespace test {

uint64_t pageSize() {
    static const auto size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return size;
}

LossyFile::LossyFile(uint64_t pages) : fd_(memfd_create("lossy", MFD_CLOEXEC)), length_(pages * pageSize()) {
    CHECK(fd_ >= 0);
    fill(pages);
    base_ = static_cast<char*>(mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    CHECK(base_ != MAP_FAILED);
}

LossyFile::~LossyFile() {
    munmap(base_, length_);
    close(fd_);
}

char LossyFile::inFile(uint64_t offset) const {
    char byte = 0;
    CHECK(pread(fd_, &byte, 1, static_cast<off_t>(offset)) == 1);
    return byte;
}

void LossyFile::truncate(uint64_t pages) {
    CHECK(ftruncate(fd_, static_cast<off_t>(pages * pageSize())) == 0);
}

void LossyFile::fill(uint64_t pages) {
    truncate(pages);
    for (uint64_t index = 0; index < pages; index++) {
        const std::vector<char> page(pageSize(), static_cast<char>(index));
        CHECK(pwrite(fd_, page.data(), page.size(), static_cast<off_t>(index * pageSize())) ==
              static_cast<ssize_t>(page.size()));
    }
}

int LossyFile::mapAgain(uint64_t offset, uint64_t length) {
    void* const mapped =
        mmap(base_ + offset, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_, static_cast<off_t>(offset));
    return mapped == MAP_FAILED ? -errno : 0;
}

}  // namespace test
