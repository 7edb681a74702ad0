#include "kinds.h"

#include <utility>

#include "check.h"

namespace test {

using namespace daxkind;

std::shared_ptr<Kind> makeKind(std::shared_ptr<Region> region, const HeapOptions& options) {
    std::shared_ptr<Kind> kind = Kind::make();
    kind->region = std::move(region);
    CHECK(kind->heap.open(kind->region.get(), options) == 0);
    return kind;
}

}  // namespace test
