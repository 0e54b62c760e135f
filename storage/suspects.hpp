#pragma once

#include <map>
#include <string>

namespace route::storage {

/// Tells records that fail by themselves from a database that is away: one that failed alone is counted only
/// when another succeeds right after it.
class Suspects
{
  public:
    /// A record that failed so often is given up.
    static constexpr int most_failures = 5;

    void failed_alone(const std::string& request_id, std::string reason)
    {
        // Two in a row: the database may have been away.
        if (last_ != request_id && !last_.empty() && failures_[last_].count == 0)
            failures_.erase(last_);
        last_ = request_id;
        failures_[request_id].reason = std::move(reason);
    }

    /// Some other record came into the database.
    void another_succeeded()
    {
        if (!last_.empty())
            ++failures_[last_].count;
        last_.clear();
    }

    /// Whether it must not take others with it.
    bool contains(const std::string& request_id) const { return failures_.contains(request_id); }

    /// Why it is given up; null unless it is.
    const std::string* given_up(const std::string& request_id) const
    {
        const auto found = failures_.find(request_id);
        return found == failures_.end() || found->second.count < most_failures ? nullptr
                                                                               : &found->second.reason;
    }

    /// It is in the database, or elsewhere.
    void forget(const std::string& request_id)
    {
        failures_.erase(request_id);
        if (last_ == request_id)
            last_.clear();
    }

  private:
    struct Failures
    {
        int count = 0;
        std::string reason;
    };

    std::map<std::string, Failures> failures_;
    std::string last_;  ///< failed, and nothing succeeded since
};

}  // namespace route::storage
