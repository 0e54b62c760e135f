#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/net/transport/name_lookup.hpp"

namespace route::net {

struct NameLimits
{
    Clock::duration lifetime = std::chrono::seconds{30};  ///< of an answer
    Clock::duration failure_lifetime = std::chrono::seconds{1};
    /// How long an answer that is too old may still serve, while it is asked for again or the servers of
    /// names are in trouble.
    Clock::duration stale = std::chrono::hours{1};
    /// A look-up that takes longer is given up and begun anew.
    Clock::duration patience = std::chrono::seconds{30};
    std::size_t lookups = 32;  ///< under way at once, those given up included
};

/// Names to addresses for the whole process: one look-up answers all event loops. Each look-up has a thread
/// of its own, since getaddrinfo can neither be cancelled nor hurried: a name that hangs holds up nobody who
/// asks for another. Destroying it abandons what is under way. Any thread.
class NameDirectory
{
  public:
    struct Answer
    {
        error_code error;
        Addresses addresses;
        TimePoint good_until;  ///< ask again then
    };

    /// Who asks; one is told from another by its place.
    struct Asker
    {
        Asker() = default;
        Asker(const Asker&) = delete;
        Asker& operator=(const Asker&) = delete;
    };

    /// Called once with a lock held: hands the answer over and does nothing else.
    using Deliver = std::function<void(const Answer&)>;

    explicit NameDirectory(LookUp look_up = &look_up_with_system, NameLimits limits = {});
    NameDirectory(const NameDirectory&) = delete;
    NameDirectory& operator=(const NameDirectory&) = delete;
    ~NameDirectory();

    const NameLimits& limits() const;

    /// What is known of the name, for the caller to keep until `good_until`; or nothing, and `deliver` is
    /// called when it is. Starts a look-up when one is due.
    std::optional<Answer> ask(const std::string& host, const Asker& asker, Deliver deliver);

    /// Nothing is delivered to `asker` from now on.
    void forget(const Asker& asker);

  private:
    struct State;
    static void run(const std::shared_ptr<State>& state, const std::string& host, unsigned number);

    std::shared_ptr<State> state_;  ///< the threads of look-ups hold it too
};

}  // namespace route::net
