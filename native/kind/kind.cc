#include "kind/kind.h"

#include <chrono>

#include "jobs/background.h"
#include "kind/registry.h"

namespace daxkind {

thread_local bool Kind::isAtOnce_ = false;

std::shared_ptr<Kind> Kind::make() {
    return std::shared_ptr<Kind>(new Kind(), end);
}

void Kind::end(Kind* kind) {
    class Ending final : public Task {
      public:
        explicit Ending(Kind* kind) : kind_(kind) {}
        std::optional<std::chrono::milliseconds> step() override { return std::nullopt; }

      private:
        const std::unique_ptr<Kind> kind_;
    };
    std::unique_ptr<Task> task = std::make_unique<Ending>(kind);
    // Where no thread can be had it goes at once, with the task.
    if (!isAtOnce_) doInBackground(task);
}

Kind::~Kind() {
    if (number != 0) unregisterKind(*this);
    if (region != nullptr) region->retire();
}

}  // namespace daxkind
