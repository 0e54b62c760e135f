#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/net/transport/name_lookup.hpp"

namespace route::test {

/// Look-ups of names that answer when the test says so, and with what it says. Any thread. Its end lets all
/// of them go and waits until they are over.
class ScriptedNames
{
  public:
    ScriptedNames();
    ScriptedNames(const ScriptedNames&) = delete;
    ScriptedNames& operator=(const ScriptedNames&) = delete;
    ~ScriptedNames();

    /// What is to be called to look up a name.
    net::LookUp look_up() const;

    /// Every look-up of `host` from now on, those that wait included, gives this.
    void answer(const std::string& host, net::FoundAddresses found);
    void answer(const std::string& host, const std::string& address);

    /// Only the nth look-up of `host` (from 0) gives this.
    void answer_one(const std::string& host, std::size_t nth, net::FoundAddresses found);

    /// Look-ups of `host` from now on wait again.
    void hold(const std::string& host);

    /// How often `host` was looked up.
    std::size_t asked(const std::string& host) const;

    /// Waits until it was, so often at least. False when that takes too long.
    bool wait_until_asked(const std::string& host, std::size_t times = 1) const;

    /// Waits until no thread is inside a look-up, nor has one to go back to. The router must have been shut
    /// down, or have no reason to ask again.
    bool wait_until_over() const;

    struct State;

  private:
    std::shared_ptr<State> state_;
};

net::FoundAddresses found(const std::string& address);
net::FoundAddresses not_found();
net::FoundAddresses names_in_trouble();

}  // namespace route::test
