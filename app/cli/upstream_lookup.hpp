#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "app/cli/session.hpp"
#include "app/upstream_sources.hpp"

namespace route::cli {

/// Those of the database, if there is one, of the configuration file and of the environment, as
/// all_upstreams() sorts them.
std::vector<SourcedUpstream> listed_upstreams(Session& session);

/// By number or name; ends the command when there is none.
SourcedUpstream find_upstream(Session& session, const std::string& id);

/// The same, of the database; ends the command for another one.
UpstreamDefinition find_changeable_upstream(Session& session, const std::string& id);

/// Why nobody can use it, whatever its key resolves to; "" when it can be used.
std::string unusable_reason(const UpstreamDefinition& definition);

/// Ends the command when another upstream has its name or its key and endpoint, or when it is unusable. What
/// made it so `before` is warned of only: a row written by hand can be mended step by step.
void check_upstream(Session& session, const UpstreamDefinition& definition,
                    const UpstreamDefinition* before = nullptr);

/// Says on standard error that routers skip it, when they do.
void warn_of_unusable(Session& session, const UpstreamDefinition& definition);

/// Says so on standard error when routers could not resolve the key or the proxy.
void warn_of_unresolvable_secrets(Session& session, const UpstreamDefinition& definition);

/// The number, `file` or `env`: what the column ID says.
std::string id_text(const SourcedUpstream& upstream);

/// `enabled`, `disabled`, `invalid: REASON` or `disabled, invalid: REASON`.
std::string upstream_state(const UpstreamDefinition& definition);

/// All fields, secrets masked; null for what is unreadable.
boost::json::object upstream_json(const SourcedUpstream& upstream);

}  // namespace route::cli
