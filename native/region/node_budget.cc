#include "region/node_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include "syscalls/locks.h"

namespace daxkind {

namespace {

// What is left to the kernel and to others who take memory at the same moment, without asking here: the high watermark
// of a zone is 1/170 of it at the most by default (watermark_scale_factor and min_free_kbytes), and each processor
// keeps some pages of its own.
constexpr uint64_t kLeastMargin = 16 * 1024 * 1024;
constexpr uint64_t kMarginPart = 128;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// All of a small file, from its start; empty if it cannot be read.
std::string contentOf(int fd) {
    std::string text(16 * 1024, '\0');
    const ssize_t got = pread(fd, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
}

std::string contentOf(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::string text = contentOf(fd);
    close(fd);
    return text;
}

// "12345 kB" behind a name at the start of a line, or behind a space, in bytes.
uint64_t field(const std::string& text, const char* name, bool* isThere = nullptr) {
    const std::string wanted = std::string(name) + ":";
    for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
        if (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n') continue;
        if (isThere != nullptr) *isThere = true;
        return std::strtoull(text.c_str() + at + wanted.size(), nullptr, 10) * 1024;
    }
    return 0;
}

// The number in a file of a control group; "max" is none.
uint64_t groupNumber(const std::string& path) {
    const std::string text = contentOf(path);
    if (text.empty() || text[0] < '0' || text[0] > '9') return kUnlimited;
    return std::strtoull(text.c_str(), nullptr, 10);
}

// Bytes of the page cache in a group's memory.stat that have not been used lately.
uint64_t groupCache(const std::string& text) {
    const size_t at = text.find("inactive_file ");
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 14, nullptr, 10);
}

// The control groups of this process, where version 2 of them has its files: that bounds the memory of a container.
std::vector<std::string> groupsOfProcess() {
    const std::string text = contentOf("/proc/self/cgroup");
    const size_t at = text.find("0::/");
    if (at == std::string::npos || (at > 0 && text[at - 1] != '\n')) return {};
    std::string path = text.substr(at + 3, text.find('\n', at) - at - 3);
    std::vector<std::string> all;
    for (;;) {
        while (path.size() > 1 && path.back() == '/') path.pop_back();
        const std::string directory = "/sys/fs/cgroup" + (path == "/" ? "" : path);
        if (access((directory + "/memory.max").c_str(), R_OK) == 0) all.push_back(directory);
        if (path.size() <= 1) return all;
        path.erase(path.rfind('/'));
        if (path.empty()) path = "/";
    }
}

}  // namespace

MemoryInfo parseMemoryInfo(const std::string& text) {
    MemoryInfo info;
    info.total = field(text, "MemTotal");
    bool isThere = false;
    info.available = field(text, "MemAvailable", &isThere);
    if (isThere) return info;
    const uint64_t cache = field(text, "Active(file)") + field(text, "Inactive(file)") + field(text, "SReclaimable");
    info.available = field(text, "MemFree") + cache / 2;
    return info;
}

NodeBudget::~NodeBudget() {
    for (const int fd : nodes_) close(fd);
    if (machine_ >= 0) close(machine_);
}

int NodeBudget::open(const std::vector<int>& nodes, bool isStrict, const char** failedCall) {
    *failedCall = "open";
    std::vector<int> sorted = nodes;
    std::sort(sorted.begin(), sorted.end());
    for (const int node : sorted) {
        const std::string path = "/sys/devices/system/node/node" + std::to_string(node) + "/meminfo";
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return -errno;
        nodes_.push_back(fd);
    }
    if (!isStrict) {
        machine_ = ::open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
        if (machine_ < 0) return -errno;
    }
    groups_ = groupsOfProcess();
    return 0;
}

int NodeBudget::begin() {
    // In their order, which is that of their numbers for everybody.
    for (const int fd : nodes_) {
        const int error = syscalls::lock(fd);
        if (error != 0) {
            end();
            return error;
        }
    }
    return 0;
}

void NodeBudget::end() {
    for (const int fd : nodes_) syscalls::unlock(fd);
}

uint64_t NodeBudget::total() const {
    uint64_t all = 0;
    for (const int fd : nodes_) all += parseMemoryInfo(contentOf(fd)).total;
    return all;
}

uint64_t NodeBudget::available() const {
    uint64_t all = 0;
    const auto add = [&all](int fd) {
        const MemoryInfo info = parseMemoryInfo(contentOf(fd));
        const uint64_t margin = std::max(kLeastMargin, info.total / kMarginPart);
        all += info.available - std::min(info.available, margin);
    };
    if (machine_ >= 0)
        add(machine_);
    else
        for (const int fd : nodes_) add(fd);
    for (const std::string& group : groups_) {
        const uint64_t most = groupNumber(group + "/memory.max");
        if (most == kUnlimited) continue;
        // Its page cache counts, and goes when something else needs the room.
        const uint64_t used = groupNumber(group + "/memory.current");
        const uint64_t cache = groupCache(contentOf(group + "/memory.stat"));
        const uint64_t room = most - std::min(most, used - std::min(used, cache));
        all = std::min(all, room - std::min(room, kLeastMargin));
    }
    return all;
}

}  // namespace daxkind
