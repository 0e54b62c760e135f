#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "app/cli/session.hpp"

namespace route::cli {

/// The router that runs on this machine with this configuration, if one does. Commands that depend on the
/// environment ask it, so that they answer for it.
class RunningRouter
{
  public:
    explicit RunningRouter(Session& session) : session_{session} {}

    /// Its answer; nothing when none runs or it uses another database: absence() says so. Ends the command
    /// when it refuses. `known` is added to what is asked, so that it waits for changes of a moment ago.
    std::optional<boost::json::object> ask(const std::string& target, boost::json::object asked,
                                           std::chrono::milliseconds patience = std::chrono::seconds{10});

    /// The same for what is not to be done twice: nothing only when it was certainly not asked; ends the
    /// command when its answer does not come.
    std::optional<boost::json::object> ask_once(const std::string& target, boost::json::object asked,
                                                std::chrono::milliseconds patience);

    /// What GET /status says, whichever database it uses.
    std::optional<boost::json::object> status();

    /// Why nobody was asked: "no router answers here (…)".
    const std::string& absence() const { return absence_; }

    /// A sentence about who answered, with a line feed; `answer` is null when the command did for itself.
    std::string answered_by(const boost::json::object* answer) const;

  private:
    bool uses_our_database(const boost::json::object& answer);
    std::optional<boost::json::object> exchange(const std::string& method, const std::string& target,
                                                const std::string& body, std::chrono::milliseconds patience,
                                                unsigned& status);

    Session& session_;
    std::string absence_;
};

/// Puts into `json` who answered: "answered_by", and "router" (null for the command itself).
void note_answerer(boost::json::object& json, bool by_router);

}  // namespace route::cli
