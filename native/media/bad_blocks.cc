#include "media/bad_blocks.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "syscalls/device_mapper.h"
#include "syscalls/mapping.h"

namespace daxkind::media {

namespace {

constexpr uint64_t kSector = 512;
// A volume can be made of volumes, and those of volumes again. This is how deep we look.
constexpr int kMostLevels = 8;

bool readText(const std::string& path, std::string* text) {
    std::ifstream file(path);
    if (!file) return false;
    std::ostringstream content;
    content << file.rdbuf();
    *text = content.str();
    return true;
}

bool readNumber(const std::string& path, uint64_t* number) {
    std::string text;
    if (!readText(path, &text) || text.empty()) return false;
    char* end = nullptr;
    *number = std::strtoull(text.c_str(), &end, 0);
    return end != text.c_str();
}

bool exists(const std::string& path) {
    return static_cast<bool>(std::ifstream(path));
}

std::string realPath(const std::string& path) {
    char resolved[PATH_MAX];
    return realpath(path.c_str(), resolved) == nullptr ? std::string() : resolved;
}

std::string parentOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? std::string() : path.substr(0, slash);
}

std::string numbers(uint32_t major, uint32_t minor) {
    return std::to_string(major) + ":" + std::to_string(minor);
}

bool parseDevice(const std::string& text, uint32_t* major, uint32_t* minor) {
    return std::sscanf(text.c_str(), "%u:%u", major, minor) == 2;
}

}  // namespace

// ---- Reading --------------------------------------------------------------------------------------------------------

void BadBlocks::Part::add(const ListedRange& listed, std::vector<ListedRange>* here) const {
    uint64_t from = std::max(listed.here.from, this->from);
    const uint64_t to = std::min(listed.here.to, this->from + length);
    const auto push = [&](uint64_t start, uint64_t bytes) {
        here->push_back({{start, start + bytes}, listed.source, listed.there + (from - listed.here.from)});
    };
    if (stripes == 1) {
        if (from < to) push(from - this->from + at, to - from);
        return;
    }
    while (from < to) {
        const uint64_t inside = from - this->from;
        const uint64_t end = std::min(to, this->from + (inside / chunk + 1) * chunk);
        push(at + (inside / chunk * stripes + index) * chunk + inside % chunk, end - from);
        from = end;
    }
}

void BadBlocks::collect(std::vector<ListedRange>* here) const {
    std::string text;
    if (!file_.empty() && readText(file_, &text)) {
        for (const Range& range : parseBadBlocks(text)) here->push_back({range, file_, range.from});
    }
    for (const Part& part : parts_) {
        std::vector<ListedRange> there;
        part.device.collect(&there);
        for (const ListedRange& listed : there) part.add(listed, here);
    }
}

std::vector<ListedRange> BadBlocks::readListed() const {
    std::vector<ListedRange> here;
    collect(&here);
    std::sort(here.begin(), here.end(),
              [](const ListedRange& a, const ListedRange& b) { return a.here.from < b.here.from; });
    return here;
}

std::vector<Range> BadBlocks::read() const {
    std::vector<ListedRange> listed;
    collect(&listed);
    std::vector<Range> here;
    here.reserve(listed.size());
    for (const ListedRange& each : listed) here.push_back(each.here);
    return normalized(std::move(here));
}

std::vector<std::string> BadBlocks::sources() const {
    std::vector<std::string> found;
    if (!file_.empty()) found.push_back(file_);
    for (const Part& part : parts_) {
        for (std::string& source : part.device.sources()) {
            if (std::find(found.begin(), found.end(), source) == found.end()) found.push_back(std::move(source));
        }
    }
    return found;
}

std::string BadBlocks::doubt() const {
    if (!doubt_.empty()) return doubt_;
    for (const Part& part : parts_) {
        if (std::string doubt = part.device.doubt(); !doubt.empty()) return doubt;
    }
    return "";
}

std::vector<guard::Part> badInFile(int fd, uint64_t offset, uint64_t length, const BadBlocks& device) {
    std::vector<guard::Part> parts;
    if (device.isEmpty()) return parts;
    const std::vector<Range> bad = device.read();
    std::vector<syscalls::Extent> extents;
    if (bad.empty() || syscalls::readAllExtents(fd, offset, offset + length, &extents) != 0) return parts;
    for (const Range& range : inFile(bad, extents, syscalls::pageSize())) {
        const uint64_t from = std::max(range.from, offset);
        const uint64_t to = std::min(range.to, offset + length);
        if (from < to) parts.push_back({from - offset, to - from, true});
    }
    return parts;
}

// ---- What a device is made of ---------------------------------------------------------------------------------------

namespace {

struct Target {
    uint32_t major;
    uint32_t minor;
    uint64_t from;
    uint64_t index;
};

// The devices of a linear or striped target, as its parameters name them: "MAJ:MIN START", or "STRIPES CHUNK MAJ:MIN
// START…", in sectors.
bool parseTarget(const syscalls::DeviceMapperTarget& target, std::vector<Target>* parts, uint64_t* stripes,
                 uint64_t* chunk) {
    std::istringstream words(target.parameters);
    *stripes = 1;
    *chunk = 0;
    if (target.type == "striped" && !(words >> *stripes >> *chunk)) return false;
    if (target.type != "striped" && target.type != "linear") return false;
    *chunk *= kSector;
    if (*stripes == 0 || *stripes > 1024 || (*stripes > 1 && *chunk == 0)) return false;
    for (uint64_t index = 0; index < *stripes; index++) {
        std::string device;
        uint64_t start;
        Target part{0, 0, 0, index};
        if (!(words >> device >> start) || !parseDevice(device, &part.major, &part.minor)) return false;
        part.from = start * kSector;
        parts->push_back(part);
    }
    return true;
}

}  // namespace

BadBlocks BadBlocks::ofBlockDevice(uint32_t major, uint32_t minor, const std::string& sys) {
    thread_local int level = 0;
    BadBlocks device;
    const std::string directory = realPath(sys + "/dev/block/" + numbers(major, minor));
    if (directory.empty() || level >= kMostLevels) return device;
    level++;
    uint64_t start;
    uint64_t size;
    // The device mapper is asked first, because some kernels give every disk the badblocks file, volumes too, and a
    // volume's says nothing.
    if (exists(directory + "/dm/name")) {
        std::vector<syscalls::DeviceMapperTarget> targets;
        const int error = syscalls::readDeviceMapperTable(major, minor, &targets);
        if (error == -EACCES || error == -EPERM) {
            device.doubt_ = "only root can read what the volume of the device mapper is made of";
        } else if (error != 0) {
            device.doubt_ = "the table of the device mapper's volume cannot be read";
        }
        for (const syscalls::DeviceMapperTarget& target : targets) {
            std::vector<Target> found;
            uint64_t stripes;
            uint64_t chunk;
            if (!parseTarget(target, &found, &stripes, &chunk)) {
                device.doubt_ =
                    "a part of the volume is " + target.type + ", and bad blocks below it are not looked for";
                continue;
            }
            for (const Target& each : found) {
                Part part;
                part.device = ofBlockDevice(each.major, each.minor, sys);
                part.from = each.from;
                part.length = target.length * kSector / stripes;
                part.at = target.start * kSector;
                part.stripes = stripes;
                part.index = each.index;
                part.chunk = chunk;
                device.parts_.push_back(std::move(part));
            }
        }
    } else if (exists(directory + "/badblocks")) {
        device.file_ = directory + "/badblocks";
    } else if (readNumber(directory + "/start", &start) && readNumber(directory + "/size", &size)) {
        // A partition.
        Part part;
        if (exists(parentOf(directory) + "/badblocks")) part.device.file_ = parentOf(directory) + "/badblocks";
        part.from = start * kSector;
        part.length = size * kSector;
        if (!part.device.file_.empty()) device.parts_.push_back(std::move(part));
    }
    level--;
    return device;
}

BadBlocks BadBlocks::ofDaxDevice(uint32_t major, uint32_t minor, const std::string& sys) {
    BadBlocks device;
    const std::string directory = realPath(sys + "/dev/char/" + numbers(major, minor));
    // The nvdimm region that the device is in, if there is one. Soft Reserved memory has no list.
    std::string region = directory;
    while (!region.empty() && !exists(region + "/mappings")) region = parentOf(region);
    if (region.empty() || !exists(region + "/badblocks")) return device;
    uint64_t regionStart;
    uint64_t start;
    Part part;
    if (!readNumber(region + "/resource", &regionStart) || !readNumber(directory + "/resource", &start) ||
        !readNumber(directory + "/size", &part.length)) {
        device.doubt_ = "only root can read where the device begins in its region";
        return device;
    }
    part.device.file_ = region + "/badblocks";
    part.from = start - regionStart;
    device.parts_.push_back(std::move(part));
    return device;
}

}  // namespace daxkind::media
