#pragma once

#include <chrono>
#include <csignal>
#include <initializer_list>

namespace route {

/// Signals that this thread waits for instead of being interrupted by. Make it before any other thread: they
/// inherit the mask.
class Signals
{
  public:
    explicit Signals(std::initializer_list<int> numbers);

    /// The next of them.
    int wait();

    /// The next of them, or 0 when none came within `bound`.
    int wait(std::chrono::milliseconds bound);

  private:
    sigset_t set_;
};

}  // namespace route
