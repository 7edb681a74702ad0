#include "kind/kind.h"

#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "jobs/background.h"
#include "kind/registry.h"

namespace daxkind {

namespace {

// Whether this thread has an object of the class AtOnce.
thread_local bool isAtOnce = false;

}  // namespace

Kind::AtOnce::AtOnce() {
    isAtOnce = true;
}

Kind::AtOnce::~AtOnce() {
    isAtOnce = false;
}

std::shared_ptr<Kind> Kind::make() {
    return std::shared_ptr<Kind>(new Kind(), end);
}

void Kind::end(Kind* kind) {
    class Ending final : public Task {
      public:
        explicit Ending(std::unique_ptr<Kind> kind) : kind_(std::move(kind)) {}
        std::optional<std::chrono::milliseconds> step() override { return std::nullopt; }

      private:
        const std::unique_ptr<Kind> kind_;
    };
    std::unique_ptr<Kind> owned(kind);
    if (isAtOnce) return;
    // A destructor calls this, and it may not throw. So if there is no memory, or no thread can be had, the kind is
    // destroyed here.
    std::unique_ptr<Task> task(new (std::nothrow) Ending(std::move(owned)));
    if (task != nullptr) doInBackground(task);
}

Kind::~Kind() {
    if (number != 0) unregisterKind(*this);
    if (region != nullptr) region->retire();
}

}  // namespace daxkind
