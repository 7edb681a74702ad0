// Kinds over regions that the tests make.
#pragma once

#include <memory>

#include "kind/kind.h"

namespace test {

// The kind is not registered.
std::shared_ptr<daxkind::Kind> makeKind(std::shared_ptr<daxkind::Region> region,
                                        const daxkind::HeapOptions& options = {});

}  // namespace test
