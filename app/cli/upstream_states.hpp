#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/running_router.hpp"
#include "app/cli/upstream_lookup.hpp"

namespace route::cli {

/// Whether upstreams can be used, in the environment of the router that runs here, else in that of the shell.
class UpstreamStates
{
  public:
    /// Asks the router if one of `upstreams` depends on the environment.
    UpstreamStates(Session& session, const std::vector<SourcedUpstream>& upstreams);

    /// `unusable: REASON` where a secret does not resolve, else upstream_state().
    std::string of(const SourcedUpstream& upstream) const;

    /// As upstream_json(), with `state_by`: "router" or "command".
    boost::json::object json_of(const SourcedUpstream& upstream) const;

    /// Who says so: a paragraph; "" when the environment does not matter.
    std::string answered_by() const;

  private:
    Session& session_;
    RunningRouter router_;
    bool matters_ = false;
    std::optional<boost::json::object> answer_;
    std::map<std::string, std::string> unusable_;  ///< by the router: reason by name, "" for none
};

}  // namespace route::cli
