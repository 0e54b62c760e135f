#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>

#include "core/net/transport/connection.hpp"

namespace route::net {

class Strangers;

/// A client's connection on which no valid key has been shown. One thread: the loop's.
class Stranger : public boost::intrusive::list_base_hook<>
{
  public:
    /// Joins `all`, both outlive it.
    Stranger(Strangers& all, Connection& connection);
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    ~Stranger() { leave(); }

    /// It has shown a key.
    void leave();

    /// It has just asked for something: the others have been silent for longer.
    void move_to_end();

  private:
    friend class Strangers;
    Strangers& all_;
    Connection& connection_;
    TimePoint quiet_since_ = Clock::now();
};

/// All of an event loop, the one that has been silent for longest first. They make room for others: whoever
/// has no key cannot take the descriptors of those who do.
class Strangers
{
  public:
    std::size_t count() const { return list_.size(); }

    /// Whether one can be closed: a new one is given the time that its request is on its way.
    bool can_close_one() const
    {
        constexpr auto patience = std::chrono::milliseconds{100};
        return !list_.empty() && Clock::now() - list_.front().quiet_since_ >= patience;
    }

    /// Closes the connection that has been silent for longest; false when there is none.
    bool close_longest_silent();

  private:
    friend class Stranger;
    boost::intrusive::list<Stranger> list_;
};

inline Stranger::Stranger(Strangers& all, Connection& connection) : all_{all}, connection_{connection}
{
    all_.list_.push_back(*this);
}

inline void Stranger::leave()
{
    if (is_linked())
        all_.list_.erase(all_.list_.iterator_to(*this));
}

inline void Stranger::move_to_end()
{
    if (!is_linked())
        return;
    quiet_since_ = Clock::now();
    all_.list_.splice(all_.list_.end(), all_.list_, all_.list_.iterator_to(*this));
}

inline bool Strangers::close_longest_silent()
{
    if (!can_close_one())
        return false;
    auto& stranger = list_.front();
    list_.pop_front();
    stranger.connection_.close();
    return true;
}

}  // namespace route::net
