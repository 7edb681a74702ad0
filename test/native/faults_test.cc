// A kind's whole life, again and again. Each time the next system call of one sort fails, until a life passes without a
// failure. Whatever failed, the error is that call's, the heap's books are right, and everything that was held can be
// given back. At the end no descriptor, no mapping and no file is left.
#include "faults.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "life.h"
#include "syscalls/sizes.h"
#include "tests.h"

namespace test {

using daxkind::kMiB;
using faults::Call;
using faults::Plan;

namespace {

const Setting kSettings[] = {
    {"a kind",
     6 * kMiB,
     false,
     {},
     {Call::kFallocate, Call::kFtruncate, Call::kMadvise, Call::kMmap, Call::kMremap, Call::kOpen, Call::kStatx}},
    {"a conservative kind", 6 * kMiB, true, {}, {Call::kFallocate}},
    {"a kind as large as the file system", 0, false, {}, {Call::kFstatfs, Call::kFtruncate, Call::kMmap}},
    {"a kind without O_TMPFILE",
     6 * kMiB,
     false,
     {{Call::kOpen, 1, EOPNOTSUPP, true}},
     {Call::kMkostemp, Call::kStatx, Call::kUnlink}},
    {"a kind without fallocate",
     6 * kMiB,
     false,
     {{Call::kFallocate, 1, EOPNOTSUPP, true}},
     {Call::kMadvise, Call::kPwrite}},
};

// The errors that a kernel can give for a call. Errors that make the code take another way come first.
struct Errors {
    Call call;
    std::vector<int> errors;
};
const Errors kErrors[] = {
    {Call::kFallocate, {EINTR, ENOSPC, EIO}},
    {Call::kFtruncate, {EFBIG, EIO}},
    {Call::kFstatfs, {EIO}},
    {Call::kMadvise, {ENOMEM, EFAULT}},
    {Call::kMkostemp, {EINTR, EMFILE, EACCES}},
    {Call::kMmap, {ENOMEM, EAGAIN}},
    {Call::kMremap, {ENOMEM}},
    {Call::kOpen, {EINTR, EMFILE, EROFS}},
    {Call::kPwrite, {EINTR, ENOSPC, EIO}},
    {Call::kStatx, {ENOSYS, EIO}},
    {Call::kUnlink, {EROFS}},
};

// What the process still has of a directory, as the kernel says. A file that could not be unlinked is not a mistake of
// the code. It is removed now.
std::string traces(const std::string& directory, bool isUnlinked) {
    std::string found;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find(directory + "/") != std::string::npos) found += "\n" + line;
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (isUnlinked) found += "\n" + entry.path().filename().string();
        CHECK(unlink(entry.path().c_str()) == 0);
    }
    return found;
}

size_t countDescriptors() {
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(descriptors), end(descriptors)));
}

uint32_t failEach(const Setting& setting, const std::string& directory, bool isVerbose, const Plan& sort) {
    const size_t descriptors = countDescriptors();
    uint32_t lives = 0;
    // Writing zeros takes hundreds of calls that do the same, so the later ones are skipped more and more.
    for (Plan plan = sort;; plan.nth += 1 + plan.nth / 16) {
        context() = std::string("faults (") + setting.name + ": " + faults::name(plan.call) + " number " +
                    std::to_string(plan.nth) + (plan.isForGood ? " and all later ones" : "") +
                    (plan.isHalf ? ", half done," : "") + " by errno " + std::to_string(plan.error) + ")";
        if (isVerbose) std::printf("%s\n", context().c_str());
        const uint32_t failed = Life(setting, directory, &plan).live();
        lives++;
        const std::string left = traces(directory, plan.call != Call::kUnlink);
        CHECK(left.empty(), "left behind:%s", left.c_str());
        CHECK(countDescriptors() == descriptors, "there were %zu descriptors", descriptors);
        if (failed == 0) return lives;
        // If every call fails from the first one on, nothing new happens later.
        CHECK(plan.nth < 10000, "the failures do not end");
    }
}

}  // namespace

void testFaults(const Options& options) {
    // The test has a directory of its own, so whatever is found there was left by it.
    std::string directory = options.directory + "/daxkind-native-XXXXXX";
    CHECK(mkdtemp(directory.data()) != nullptr, "cannot make %s", directory.c_str());
    uint32_t lives = 0;
    for (const Setting& setting : kSettings) {
        context() = std::string("faults (") + setting.name + ", nothing fails)";
        Life(setting, directory, nullptr).live();
        for (const Errors& sort : kErrors) {
            const auto& calls = setting.calls;
            if (std::find(calls.begin(), calls.end(), sort.call) == calls.end()) continue;
            for (const int error : sort.errors) {
                const bool canDoHalf = sort.call == Call::kFallocate || sort.call == Call::kMmap;
                // A call that is always interrupted is made again for ever.
                for (const bool isForGood : {false, true}) {
                    if (isForGood && error == EINTR) continue;
                    for (const bool isHalf : {false, true}) {
                        if (isHalf && !canDoHalf) continue;
                        lives +=
                            failEach(setting, directory, options.verbose, {sort.call, 1, error, isForGood, isHalf});
                    }
                }
            }
        }
    }
    rmdir(directory.c_str());
    std::printf("faults: %u lives, each with another failure\n", lives);
}

}  // namespace test
