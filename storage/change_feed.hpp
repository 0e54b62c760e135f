#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/client_key.hpp"
#include "core/failover/upstream.hpp"

namespace route::storage {

/// What the database says of upstreams and client keys.
struct UpstreamsAndKeys
{
    std::vector<UpstreamDefinition> upstreams;
    std::vector<ClientKey> keys;

    bool operator==(const UpstreamsAndKeys&) const = default;
};

/// Tells of changes to upstreams and client keys within a second, on a thread of its own. While the database
/// is away what was last known stays in force: nothing is told, and it is tried again.
class ChangeFeed
{
  public:
    /// Called on the feed's thread, only with what differs from the last time. Not after stop() returned.
    using OnChange = std::function<void(const UpstreamsAndKeys&)>;

    virtual ~ChangeFeed() = default;

    /// Ends the thread, promptly. Not to be called from OnChange.
    virtual void stop() = 0;

    /// Whether the last look at the database failed. Any thread.
    virtual bool failing() const = 0;
};

}  // namespace route::storage
