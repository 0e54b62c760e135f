// How many attempts at one upstream are under way.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace route {

/// Counts them: one per upstream and process, shared by all threads. It outlives the snapshots that name it.
class InFlight
{
  public:
    int count() const { return count_.load(std::memory_order_relaxed); }

    /// One attempt, counted as long as this lives.
    class Place
    {
      public:
        Place() = default;
        explicit Place(std::shared_ptr<InFlight> of) : of_{std::move(of)}
        {
            if (of_)
                of_->count_.fetch_add(1, std::memory_order_relaxed);
        }
        Place(Place&& other) noexcept : of_{std::move(other.of_)} {}
        Place& operator=(Place&& other) noexcept
        {
            leave();
            of_ = std::move(other.of_);
            return *this;
        }
        ~Place() { leave(); }

        void leave()
        {
            if (const auto of = std::move(of_))
                of->count_.fetch_sub(1, std::memory_order_relaxed);
        }

      private:
        std::shared_ptr<InFlight> of_;
    };

  private:
    std::atomic<int> count_{0};
};

}  // namespace route
