// Kinds over regions of the tests' own.
#pragma once

#include <memory>

#include "kind/kind.h"

namespace test {

// Not registered.
std::shared_ptr<daxkind::Kind> makeKind(std::shared_ptr<daxkind::Region> region,
                                        const daxkind::HeapOptions& options = {});

}  // namespace test
