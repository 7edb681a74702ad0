#include "region/node_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <set>
#include <sstream>
#include <thread>

#include "syscalls/locks.h"
#include "syscalls/mapping.h"
#include "syscalls/numa.h"
#include "syscalls/sizes.h"

namespace daxkind {

namespace {

using Clock = std::chrono::steady_clock;

// What is left to others who take memory at the same moment without asking here, in addition to what the kernel keeps.
// Each processor, for one, has a list of free pages.
constexpr uint64_t kMargin = 16 * kMiB;
// What is left in addition to kinds of other processes, if this one could not lock them out.
constexpr uint64_t kStrangersMargin = 32 * kMiB;
// Which part of a node is left to the kernel if it does not say what it keeps. By default a high watermark is no more
// than this part of a zone (watermark_scale_factor, min_free_kbytes).
constexpr uint64_t kReservePart = 128;

// How long this process waits for the turn of another one, and for how long it does not wait at all after it has given
// up. Any process can hold the lock, and may be stopped while it does.
constexpr auto kPatience = std::chrono::milliseconds(50);
constexpr auto kPoll = std::chrono::microseconds(500);
constexpr auto kImpatience = std::chrono::seconds(10);

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
// In version 1 of control groups, the largest number of pages means that there is no limit.
constexpr uint64_t kMostLimit = uint64_t{1} << 62;

const char* const kNodes = "/sys/devices/system/node";

// All kinds of the process take turns, because its threads share a lock on a file.
std::mutex& turns() {
    static std::mutex mutex;
    return mutex;
}

// All of a file, from its start; empty if it cannot be read.
std::string contentOf(int fd) {
    std::string text;
    char part[8 * 1024];
    ssize_t got;
    while ((got = pread(fd, part, sizeof part, static_cast<off_t>(text.size()))) > 0) text.append(part, got);
    return got < 0 ? std::string() : text;
}

std::string contentOf(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::string text = contentOf(fd);
    close(fd);
    return text;
}

// The "12345 kB" behind a name, in bytes. The name begins a line, or follows a space.
uint64_t field(const std::string& text, const char* name) {
    const std::string wanted = std::string(name) + ":";
    for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
        if (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n') continue;
        return std::strtoull(text.c_str() + at + wanted.size(), nullptr, 10) * 1024;
    }
    return 0;
}

// The numbers of a list as the kernel writes it: "0-3,8".
std::set<int> numbersIn(const std::string& list) {
    std::set<int> numbers;
    std::istringstream parts(list);
    for (std::string part; std::getline(parts, part, ',');) {
        char* end = nullptr;
        const long first = std::strtol(part.c_str(), &end, 10);
        if (end == part.c_str()) continue;
        const long last = *end == '-' ? std::strtol(end + 1, nullptr, 10) : first;
        for (long number = first; number <= last && number < 1024; number++) numbers.insert(static_cast<int>(number));
    }
    return numbers;
}

// The number in a file of a control group. "max" is kUnlimited.
uint64_t groupNumber(const std::string& path) {
    const std::string text = contentOf(path);
    if (text.empty() || text[0] < '0' || text[0] > '9') return kUnlimited;
    const uint64_t number = std::strtoull(text.c_str(), nullptr, 10);
    return number >= kMostLimit ? kUnlimited : number;
}

// How many bytes of a group's page cache have not been used lately, by the text of its memory.stat.
uint64_t groupCache(const std::string& text, const std::string& name) {
    size_t at = text.find(name + " ");
    // "total_inactive_file" ends with the other version's name.
    while (at != std::string::npos && at > 0 && text[at - 1] != '\n') at = text.find(name + " ", at + 1);
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10);
}

// How many bytes a control group still allows.
uint64_t roomIn(const ControlGroup& group) {
    const bool isOld = group.isVersion1;
    const std::string at = group.directory + "/memory.";
    uint64_t most = groupNumber(at + (isOld ? "limit_in_bytes" : "max"));
    // The kernel slows down a process that is above "high".
    if (!isOld) most = std::min(most, groupNumber(at + "high"));
    if (most == kUnlimited) return kUnlimited;
    const uint64_t used = groupNumber(at + (isOld ? "usage_in_bytes" : "current"));
    // The page cache counts as used, but goes when something else needs the room.
    const uint64_t cache = groupCache(contentOf(at + "stat"), isOld ? "total_inactive_file" : "inactive_file");
    return most - std::min(most, used - std::min(used, cache));
}

bool hasWord(const std::string& list, const std::string& wanted) {
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, ',');)
        if (word == wanted) return true;
    return false;
}

bool startsWith(const std::string& text, const std::string& begin) {
    return text.compare(0, begin.size(), begin) == 0;
}

}  // namespace

MemoryInfo parseMemoryInfo(const std::string& text) {
    MemoryInfo info;
    info.total = field(text, "MemTotal");
    const uint64_t cache = field(text, "Active(file)") + field(text, "Inactive(file)") + field(text, "SReclaimable");
    info.available = field(text, "MemFree") + cache / 2;
    return info;
}

std::map<int, uint64_t> parseReserves(const std::string& text, uint64_t pageSize) {
    std::map<int, uint64_t> reserves;
    int node = -1;
    uint64_t high = 0;
    uint64_t managed = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "Node") {
            words >> node;
            high = managed = 0;
        } else if (name == "high") {
            words >> high;
        } else if (name == "managed") {
            words >> managed;
        } else if (name == "protection:" && node >= 0) {
            uint64_t held = 0;
            for (const char& letter : line) {
                if (letter != '(' && letter != ' ') continue;
                held = std::max<uint64_t>(held, std::strtoull(&letter + 1, nullptr, 10));
            }
            reserves[node] += std::min(managed, high + held) * pageSize;
        }
    }
    return reserves;
}

std::vector<ControlGroup> parseControlGroups(const std::string& groups, const std::string& mounts) {
    // Where the process is in each version's tree.
    std::string paths[2];
    std::istringstream lines(groups);
    for (std::string line; std::getline(lines, line);) {
        const size_t first = line.find(':');
        const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (controllers.empty()) paths[0] = line.substr(second + 1);
        if (hasWord(controllers, "memory")) paths[1] = line.substr(second + 1);
    }

    std::vector<ControlGroup> all;
    std::istringstream entries(mounts);
    for (std::string entry; std::getline(entries, entry);) {
        const size_t dash = entry.find(" - ");
        if (dash == std::string::npos) continue;
        std::string id, parent, device, root, point, type, source, options;
        std::istringstream(entry) >> id >> parent >> device >> root >> point;
        std::istringstream(entry.substr(dash + 3)) >> type >> source >> options;
        const bool isOld = type == "cgroup" && hasWord(options, "memory");
        if (!isOld && type != "cgroup2") continue;
        const std::string& path = paths[isOld];
        if (path.empty() || point.empty() || point[0] != '/') continue;
        if (root == "/") root.clear();
        // A container may see only its own part of the tree, while its path names the part as the host does.
        const bool isBelow = path == root || startsWith(path, root + "/");
        std::string rest = isBelow ? path.substr(root.size()) : std::string();
        if (rest.find("..") != std::string::npos) rest.clear();
        for (;;) {
            while (!rest.empty() && rest.back() == '/') rest.pop_back();
            all.push_back({point + rest, isOld});
            if (rest.empty()) break;
            rest.erase(rest.rfind('/'));
        }
    }
    return all;
}

NodeBudget::~NodeBudget() {
    for (const Node& node : nodes_) close(node.fd);
}

int NodeBudget::openNode(int number) {
    const std::string path = std::string(kNodes) + "/node" + std::to_string(number) + "/meminfo";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int NodeBudget::open(const std::vector<int>& nodes, bool isStrict, const char** failedCall) {
    *failedCall = "open";
    const std::set<int> wanted(nodes.begin(), nodes.end());
    std::set<int> all = wanted;
    if (!isStrict) all.merge(numbersIn(contentOf(std::string(kNodes) + "/online")));
    const std::map<int, uint64_t> reserves = parseReserves(contentOf("/proc/zoneinfo"), syscalls::pageSize());
    // In the order of their numbers, because everybody must lock them in the same order.
    for (const int number : all) {
        const int fd = openNode(number);
        if (fd < 0 && wanted.count(number) == 0) continue;
        if (fd < 0) return fd;
        nodes_.push_back({number, fd, 0});
        const uint64_t total = parseMemoryInfo(contentOf(fd)).total;
        const auto known = reserves.find(number);
        nodes_.back().reserve = known == reserves.end() ? total / kReservePart : known->second;
        if (wanted.count(number) != 0) total_ += total;
    }
    *failedCall = "read";
    return total_ == 0 ? -EIO : 0;
}

MemoryInfo NodeBudget::read(Node& node) {
    const std::string text = contentOf(node.fd);
    if (!text.empty()) return parseMemoryInfo(text);
    const int fd = openNode(node.number);
    if (fd < 0) return {};
    close(node.fd);
    node.fd = fd;
    return parseMemoryInfo(contentOf(fd));
}

bool NodeBudget::lockFiles() {
    const auto begin = Clock::now();
    const bool isPatient = gaveUp_ == Clock::time_point{} || begin - gaveUp_ > kImpatience;
    for (const Node& node : nodes_) {
        int error;
        while ((error = syscalls::tryLock(node.fd)) == -EWOULDBLOCK && isPatient && Clock::now() - begin < kPatience)
            std::this_thread::sleep_for(kPoll);
        if (error == 0) continue;
        if (error == -EWOULDBLOCK) gaveUp_ = Clock::now();
        return false;
    }
    return true;
}

NodeBudget::Turn::Turn(NodeBudget* budget) : budget_(budget), lock_(turns()) {
    budget_->isAlone_ = budget_->lockFiles();
}

NodeBudget::Turn::~Turn() {
    for (const Node& node : budget_->nodes_) syscalls::unlock(node.fd);
}

uint64_t NodeBudget::available() {
    const uint64_t margin = kMargin + (isAlone_ ? 0 : kStrangersMargin);
    const std::set<int> allowed = syscalls::allowedNodes();
    uint64_t all = 0;
    for (Node& node : nodes_) {
        if (!allowed.empty() && allowed.count(node.number) == 0) continue;
        const uint64_t there = read(node).available;
        all += there - std::min(there, node.reserve + margin);
    }
    const uint64_t room = roomInGroups();
    return std::min(all, room - std::min(room, room == kUnlimited ? 0 : margin));
}

uint64_t NodeBudget::roomInGroups() {
    // Read each time, because a process can be moved to other groups.
    std::string text = contentOf("/proc/self/cgroup");
    if (text != groupsText_) {
        groups_ = parseControlGroups(text, contentOf("/proc/self/mountinfo"));
        groupsText_ = std::move(text);
    }
    uint64_t least = kUnlimited;
    for (const ControlGroup& group : groups_) least = std::min(least, roomIn(group));
    return least;
}

}  // namespace daxkind
