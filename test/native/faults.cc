#include "faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <string_view>

// The linker's names for the functions that it wraps (ld(1), --wrap) begin with two underscores.
extern "C" void* __real_mmap64(void*, size_t, int, int, int, off64_t);
extern "C" int __real_munmap(void*, size_t);

namespace test::faults {

namespace {

struct State {
    bool isArmed = false;
    std::vector<Plan> plans;
    std::vector<uint32_t> seen;
    uint32_t failed = 0;

    bool hasLedger = false;
    std::map<uint64_t, uint64_t> mapped;  // From, to.
    std::set<int> opened;
    // Ranges that another thread has mapped in the meantime: from, to. Only that thread may unmap or replace them.
    std::map<uint64_t, uint64_t> strangers;
    std::string trespasses;
};

State& state() {
    static State state;
    return state;
}

// The plan by which this call fails, with errno set. Null if the call is to succeed.
const Plan* failing(Call call) {
    State& at = state();
    if (!at.isArmed) return nullptr;
    for (size_t i = 0; i < at.plans.size(); i++) {
        const Plan& plan = at.plans[i];
        if (plan.call != call) continue;
        const uint32_t seen = ++at.seen[i];
        if (seen != plan.nth && !(seen > plan.nth && plan.isForGood)) continue;
        if (i == at.plans.size() - 1) at.failed++;
        errno = plan.error;
        return &plan;
    }
    return nullptr;
}

// The kernel maps and unmaps whole pages.
uint64_t endOf(uint64_t from, size_t length) {
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return from + (length + page - 1) / page * page;
}

void bookUnmapped(void* address, size_t length) {
    if (!state().hasLedger) return;
    const uint64_t from = reinterpret_cast<uint64_t>(address);
    const uint64_t to = from + length;
    std::map<uint64_t, uint64_t>& mapped = state().mapped;
    auto at = mapped.upper_bound(from);
    if (at != mapped.begin()) at--;
    while (at != mapped.end() && at->first < to) {
        const auto [start, end] = *at;
        at = std::next(at);
        if (end <= from) continue;
        mapped.erase(start);
        if (start < from) mapped[start] = from;
        if (end > to) mapped[to] = end;
    }
}

void bookMapped(void* address, size_t length) {
    if (!state().hasLedger || address == MAP_FAILED) return;
    bookUnmapped(address, length);
    const uint64_t from = reinterpret_cast<uint64_t>(address);
    state().mapped[from] = from + length;
}

// Plays another thread that maps something into a place that has just become free, and keeps it.
void mapStranger(void* address, size_t length) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (__real_mmap64(address, length, PROT_READ, flags, -1, 0) == MAP_FAILED) std::abort();
    const uint64_t from = reinterpret_cast<uint64_t>(address);
    state().strangers[from] = endOf(from, length);
}

// Called before a call that removes what is at the range.
void checkStrangers(const char* call, void* address, size_t length) {
    const uint64_t at = reinterpret_cast<uint64_t>(address);
    for (const auto& [from, to] : state().strangers) {
        if (at < to && from < endOf(at, length)) state().trespasses += std::string(" ") + call;
    }
}

// ---- Guards: an array of the core ends where a page begins that cannot be touched, because ASan knows nothing of
// mappings. The handler of a signal makes such an array, too, so nothing is allocated here.

// Written into a page of its own before the array.
struct Guarded {
    void* array;
    size_t length;  // Of that page, the array and the last page together.
    Guarded* next;
};
std::mutex guardedMutex;
Guarded* guarded = nullptr;

bool isArray(void* address, int protection, int flags) {
    const int sort = MAP_ANONYMOUS | MAP_NORESERVE;
    return address == nullptr && (protection & PROT_WRITE) != 0 && (flags & sort) == sort;
}

void* mapGuarded(size_t length, int protection, int flags) {
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t rounded = endOf(0, length);
    void* const start = __real_mmap64(nullptr, page + rounded + page, protection, flags, -1, 0);
    if (start == MAP_FAILED) return start;
    char* const bytes = static_cast<char*>(start) + page;
    mprotect(bytes + rounded, page, PROT_NONE);
    // The array lies as near to the end as the alignment of any element allows.
    void* const array = bytes + (rounded - length) / 64 * 64;
    const std::lock_guard<std::mutex> lock(guardedMutex);
    guarded = new (start) Guarded{array, page + rounded + page, guarded};
    return array;
}

// Takes a guarded array out of the list. Null if no guarded array has the address.
Guarded* takeGuarded(void* address) {
    const std::lock_guard<std::mutex> lock(guardedMutex);
    for (Guarded** at = &guarded; *at != nullptr; at = &(*at)->next) {
        Guarded* const found = *at;
        if (found->array != address) continue;
        *at = found->next;
        return found;
    }
    return nullptr;
}

// Whether the address is that of a guarded array. If it is, the array is unmapped.
bool unmapGuarded(void* address) {
    Guarded* const found = takeGuarded(address);
    if (found != nullptr) __real_munmap(found, found->length);
    return found != nullptr;
}

// Drops the guard of an array that has been moved somewhere else.
void dropGuard(void* address) {
    Guarded* const found = takeGuarded(address);
    if (found == nullptr) return;
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    char* const start = reinterpret_cast<char*>(found);
    __real_munmap(start + found->length - page, page);
    __real_munmap(start, page);
}

int bookOpened(int fd) {
    if (state().hasLedger && fd >= 0) state().opened.insert(fd);
    return fd;
}

}  // namespace

const char* name(Call call) {
    static const char* const names[] = {"fallocate", "ftruncate", "fstatfs", "madvise", "mbind", "mkostemp",
                                        "mmap",      "mremap",    "open",    "pwrite",  "statx", "unlink"};
    return names[static_cast<int>(call)];
}

void arm(const std::vector<Plan>& plans) {
    State& at = state();
    at.plans = plans;
    at.seen.assign(plans.size(), 0);
    at.failed = 0;
    at.isArmed = true;
}

uint32_t disarm() {
    state().isArmed = false;
    return state().failed;
}

Truce::Truce() : wasArmed_(state().isArmed) {
    state().isArmed = false;
}

Truce::~Truce() {
    state().isArmed = wasArmed_;
}

void openLedger() {
    for (const auto& [from, to] : state().strangers) __real_munmap(reinterpret_cast<void*>(from), to - from);
    state().strangers.clear();
    state().trespasses.clear();
    state().mapped.clear();
    state().opened.clear();
    state().hasLedger = true;
}

std::string left() {
    std::string words;
    for (const auto& [from, to] : state().mapped) words += " a mapping of " + std::to_string(to - from) + " bytes;";
    for (const int fd : state().opened) words += " descriptor " + std::to_string(fd) + ";";
    return words;
}

std::string trespasses() {
    return state().trespasses;
}

void closeLedger() {
    state().hasLedger = false;
}

}  // namespace test::faults

// ---- The wrappers. glibc's names for calls with 64-bit offsets end in 64. ------------------------------------------

using namespace test::faults;

extern "C" {

int __real_fallocate64(int, int, off64_t, off64_t);
int __wrap_fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    const Plan* const plan = failing(Call::kFallocate);
    if (plan == nullptr) return __real_fallocate64(fd, mode, offset, length);
    if (plan->isHalf && (mode & FALLOC_FL_PUNCH_HOLE) == 0) __real_fallocate64(fd, mode, offset, length / 2);
    errno = plan->error;
    return -1;
}

int __real_ftruncate64(int, off64_t);
int __wrap_ftruncate64(int fd, off64_t size) {
    return failing(Call::kFtruncate) != nullptr ? -1 : __real_ftruncate64(fd, size);
}

int __real_fstatfs64(int, struct statfs*);
int __wrap_fstatfs64(int fd, struct statfs* status) {
    return failing(Call::kFstatfs) != nullptr ? -1 : __real_fstatfs64(fd, status);
}

int __real_madvise(void*, size_t, int);
int __wrap_madvise(void* address, size_t length, int advice) {
    return failing(Call::kMadvise) != nullptr ? -1 : __real_madvise(address, length, advice);
}

int __real_mkostemp64(char*, int);
int __wrap_mkostemp64(char* path, int flags) {
    const Plan* const plan = failing(Call::kMkostemp);
    if (plan == nullptr) return bookOpened(__real_mkostemp64(path, flags));
    // glibc has put a name into the path before it opens the file.
    const std::string_view name = "failed";
    name.copy(path + std::strlen(path) - name.size(), name.size());
    errno = plan->error;
    return -1;
}

void* __wrap_mmap64(void* address, size_t length, int protection, int flags, int fd, off64_t offset) {
    const bool isFixed = (flags & MAP_FIXED) != 0;
    if (isFixed) checkStrangers("mmap", address, length);
    if (const Plan* const plan = failing(Call::kMmap)) {
        // The kernel removes what was there before it asks the file, or before it counts memory that can be written.
        const bool isLate = fd >= 0 || (protection & PROT_WRITE) != 0;
        if (plan->isHalf && isFixed && isLate) {
            __real_munmap(address, length);
            bookUnmapped(address, length);
            mapStranger(address, length);
        }
        errno = plan->error;
        return MAP_FAILED;
    }
    void* const mapped = isArray(address, protection, flags)
                             ? mapGuarded(length, protection, flags)
                             : __real_mmap64(address, length, protection, flags, fd, offset);
    bookMapped(mapped, length);
    return mapped;
}

void* __real_mremap(void*, size_t, size_t, int, ...);
void* __wrap_mremap(void* address, size_t length, size_t newLength, int flags, void* newAddress) {
    checkStrangers("mremap", newAddress, newLength);
    if (failing(Call::kMremap) != nullptr) return MAP_FAILED;
    void* const moved = __real_mremap(address, length, newLength, flags, newAddress);
    if (moved == MAP_FAILED) return moved;
    dropGuard(address);
    bookUnmapped(address, length);
    bookMapped(moved, newLength);
    return moved;
}

int __wrap_munmap(void* address, size_t length) {
    checkStrangers("munmap", address, length);
    const int result = unmapGuarded(address) ? 0 : __real_munmap(address, length);
    if (result == 0) bookUnmapped(address, length);
    return result;
}

int __real_open64(const char*, int, ...);
int __wrap_open64(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return failing(Call::kOpen) != nullptr ? -1 : bookOpened(__real_open64(path, flags, mode));
}

int __real_close(int);
int __wrap_close(int fd) {
    if (state().hasLedger) state().opened.erase(fd);
    return __real_close(fd);
}

ssize_t __real_pwrite64(int, const void*, size_t, off64_t);
ssize_t __wrap_pwrite64(int fd, const void* bytes, size_t length, off64_t offset) {
    return failing(Call::kPwrite) != nullptr ? -1 : __real_pwrite64(fd, bytes, length, offset);
}

// Calls for which glibc has no function, or only a newer glibc has one.
long __real_syscall(long, ...);
long __wrap_syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long values[6];
    for (long& value : values) value = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_statx && failing(Call::kStatx) != nullptr) return -1;
    if (number == SYS_mbind && failing(Call::kMbind) != nullptr) return -1;
    return __real_syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

int __real_unlink(const char*);
int __wrap_unlink(const char* path) {
    return failing(Call::kUnlink) != nullptr ? -1 : __real_unlink(path);
}

}  // extern "C"
