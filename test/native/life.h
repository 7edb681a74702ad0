// The whole life of a kind in C++. It is created, used in every way, and closed, while system calls fail by a plan.
// Whatever fails, the plan must explain the error, and the heap's books must be right.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "book.h"
#include "cache_user.h"
#include "faults.h"
#include "heap/heap.h"
#include "region/pmem_file.h"

namespace test {

// The conditions of a life.
struct Setting {
    const char* name;
    uint64_t capacity;  // 0: that of the file system.
    bool isConservative;
    std::vector<faults::Plan> always;  // Calls that this file system cannot do at all.
    std::vector<faults::Call> calls;   // Calls that fail here in another way than in other settings.
};

class Life {
  public:
    // `plan` may be null.
    Life(const Setting& setting, const std::string& directory, const faults::Plan* plan)
        : setting_(setting), directory_(directory), plan_(plan) {}

    // Lives it. Gives the number of calls that failed by the plan.
    uint32_t live();

  private:
    bool create();
    void use();
    void close();

    void take(uint64_t size, uint64_t alignment = 16);
    void give(size_t keep);
    void resizeFirstRun(uint64_t size);
    void prefault();

    void explain(int error) const;
    void explainFailedOpen(int error, const char* failedCall) const;
    void look();
    bool isTmpfs() const;

    const Setting& setting_;
    const std::string directory_;
    const faults::Plan* const plan_;
    std::unique_ptr<daxkind::PmemFileRegion> region_;
    std::unique_ptr<daxkind::Heap> heap_;
    std::unique_ptr<Book> book_;
    std::unique_ptr<CacheUser> user_;
};

}  // namespace test
