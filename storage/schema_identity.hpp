#pragma once

#include <mutex>
#include <string>

namespace route::storage {

/// Which database it is that a part of the program works with. (A name leads to another when one is dropped
/// or removed and made anew: what it says, nothing, must not be taken for the truth, and what waits must not
/// be written there.) Any thread.
class SchemaIdentity
{
  public:
    /// Whether this is the database: the first one asked about is. `id` is that of its schema.
    bool accept(const std::string& id)
    {
        const std::lock_guard lock{mutex_};
        if (id_.empty())
            id_ = id;
        return id_ == id;
    }

    /// "" until the first connection.
    std::string id() const
    {
        const std::lock_guard lock{mutex_};
        return id_;
    }

  private:
    mutable std::mutex mutex_;
    std::string id_;
};

}  // namespace route::storage
