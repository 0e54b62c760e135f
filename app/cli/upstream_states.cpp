#include "app/cli/upstream_states.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "app/cli/json.hpp"
#include "app/config/secrets.hpp"

namespace route::cli {
namespace {

bool depends_on_environment(const SourcedUpstream& upstream)
{
    const auto& definition = upstream.definition;
    return is_secret_reference(definition.sk) || is_secret_reference(definition.proxy) ||
           std::any_of(definition.headers.begin(), definition.headers.end(),
                       [](const auto& header) { return is_secret_reference(header.second); });
}

}  // namespace

UpstreamStates::UpstreamStates(Session& session, const std::vector<SourcedUpstream>& upstreams)
    : session_{session},
      router_{session},
      matters_{std::any_of(upstreams.begin(), upstreams.end(), &depends_on_environment)}
{
    if (!matters_)
        return;
    answer_ = router_.ask("/status", {});
    if (!answer_)
        return;
    for (const auto& each : answer_->at("upstreams").as_array()) {
        const auto& reason = each.at("reason");
        const bool unusable = each.at("state") == "unusable" && reason.is_string();
        unusable_[std::string{each.at("name").as_string()}] =
            unusable ? std::string{reason.get_string()} : std::string{};
    }
}

std::string UpstreamStates::of(const SourcedUpstream& upstream) const
{
    const auto& definition = upstream.definition;
    const auto state = upstream_state(definition);
    if (state != "enabled" || !depends_on_environment(upstream))
        return state;
    std::string reason;
    if (answer_) {
        if (const auto known = unusable_.find(effective_name(definition)); known != unusable_.end())
            reason = known->second;
    } else {
        const auto resolve = secrets_for(upstream.origin, session_.configuration().settings.secrets);
        if (const auto made = make_upstream(definition, resolve, nullptr); !made)
            reason = made.error().reason;
    }
    return reason.empty() ? state : "unusable: " + reason;
}

boost::json::object UpstreamStates::json_of(const SourcedUpstream& upstream) const
{
    auto json = upstream_json(upstream);
    json["state"] = json_text(of(upstream));
    json["state_by"] = answer_ ? "router" : "command";
    return json;
}

std::string UpstreamStates::answered_by() const
{
    return matters_ ? "\n" + router_.answered_by(answer_ ? &*answer_ : nullptr) : "";
}

}  // namespace route::cli
