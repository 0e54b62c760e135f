#include "app/router_control.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <thread>

#include "app/config/config_values.hpp"
#include "app/config/secrets.hpp"
#include "app/explanation.hpp"
#include "app/replay.hpp"
#include "app/upstream_probe.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// Changes of the database take effect within a second, on a busy machine a little later.
constexpr auto knowing_patience = std::chrono::seconds{5};

boost::json::value text(const std::string& value)
{
    return boost::json::value(clean_utf8(value));
}

std::string text_of(const boost::json::object& asked, const char* member, const std::string& otherwise = {})
{
    const auto* value = asked.if_contains(member);
    return value != nullptr && value->is_string() ? std::string{value->get_string()} : otherwise;
}

std::string reason_of(const CooldownStart& start)
{
    if (start.failures == 0)
        return fmt::format("{}, with a Retry-After", start.error);
    return fmt::format("{} failure{} in a row, the last: {}", start.failures, start.failures == 1 ? "" : "s",
                       start.error);
}

/// When it is over, by the clock of people.
std::string until_text(const CooldownState& state, std::chrono::steady_clock::time_point now)
{
    return format_timestamp(std::chrono::time_point_cast<SystemTime::duration>(
        std::chrono::system_clock::now() + (state.until() - now)));
}

/// The models that this upstream is tried last for.
boost::json::array resting_models(const ViewedUpstream& upstream, std::chrono::steady_clock::time_point now)
{
    boost::json::array models;
    for (const auto& rest : upstream.model_rests) {
        const auto* const state = upstream.usable->cooldown->of_model(rest.start.model);
        if (state != nullptr && state->resting(now))
            models.push_back({{"model", text(rest.start.model)},
                              {"reason", text(reason_of(rest.start))},
                              {"since", format_timestamp(rest.since)},
                              {"until", until_text(*state, now)}});
    }
    return models;
}

void add_cooldown(boost::json::object& json, const ViewedUpstream& upstream,
                  std::chrono::steady_clock::time_point now)
{
    const auto& state = upstream.usable->cooldown->whole();
    const auto standing = state.standing(now);
    json["models"] = resting_models(upstream, now);
    if (standing != CooldownState::Standing::resting && standing != CooldownState::Standing::probing)
        return;
    const bool resting = standing == CooldownState::Standing::resting;
    json["state"] = resting ? "cooldown" : "probing";
    if (resting)
        json["until"] = until_text(state, now);
    if (upstream.rest) {
        json["since"] = format_timestamp(upstream.rest->since);
        json["reason"] = text(reason_of(upstream.rest->start));
    }
}

boost::json::object in_json(const ViewedUpstream& upstream, std::chrono::steady_clock::time_point now)
{
    const auto& definition = upstream.definition;
    boost::json::object json{{"id", nullptr},
                             {"name", text(effective_name(definition))},
                             {"source", to_string(upstream.origin)},
                             {"endpoint", text(mask_endpoint(definition.endpoint))},
                             {"priority", definition.priority},
                             {"state", "up"},
                             {"reason", nullptr},
                             {"since", nullptr},
                             {"until", nullptr},
                             {"models", boost::json::array{}}};
    if (definition.id != 0)
        json["id"] = definition.id;
    if (!definition.enabled) {
        json["state"] = "disabled";
    } else if (!upstream.usable) {
        json["state"] = "unusable";
        json["reason"] = text(upstream.unusable);
    } else if (upstream.usable->cooldown) {
        add_cooldown(json, upstream, now);
    }
    return json;
}

/// One of a bounded number; false when there is none left.
class Turn
{
  public:
    Turn(std::atomic<int>& taken, int most) : taken_{taken}, mine_{taken.fetch_add(1) < most} {}
    ~Turn() { taken_.fetch_sub(1); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    explicit operator bool() const { return mine_; }

  private:
    std::atomic<int>& taken_;
    bool mine_;
};

}  // namespace

std::string control_path(const StorageSettings& settings)
{
    std::filesystem::path path{settings.outbox};
    if (path.extension() == ".sqlite")
        path.replace_extension();
    return path.string() + ".socket";
}

std::string database_text(const StorageSettings& settings)
{
    switch (settings.backend) {
        case Backend::sqlite:
            return settings.sqlite;
        case Backend::postgres:
            return mask_url(settings.postgres);
        case Backend::none:
            break;
    }
    return "none";
}

RouterControl::RouterControl(const LiveRouting& routing, const net::Services& services,
                             metrics::Gauges gauges, Facts facts)
    : routing_{routing},
      services_{services},
      gauges_{std::move(gauges)},
      facts_{std::move(facts)},
      server_{control_path(facts_.storage),
              [this](const net::LocalRequest& request, const std::stop_token& stop) {
                  return answer(request, stop);
              }}
{
}

net::LocalReply RouterControl::answer(const net::LocalRequest& request, const std::stop_token& stop)
{
    boost::system::error_code error;
    const auto value = boost::json::parse(request.body.empty() ? "{}" : request.body, error);
    if (error || !value.is_object())
        return refuse(400, "expected a JSON object");
    const auto& asked = value.get_object();
    if (request.target == "/status")
        return status(asked, stop);
    if (request.target == "/explain")
        return explain(asked, stop);
    if (request.target == "/upstreams/test")
        return test(asked, stop);
    if (request.target == "/replay")
        return replay(asked, stop);
    if (request.target == "/reference")
        return reference(asked);
    return {404, R"({"error":"no such path"})"};
}

/// Says who answers.
net::LocalReply RouterControl::reply(unsigned status, boost::json::object body) const
{
    body["router"] = {{"process", ::getpid()},
                      {"version", ROUTE_VERSION},
                      {"since", format_timestamp(facts_.since)},
                      {"listen", text(facts_.listen)},
                      {"config", facts_.config.empty() ? boost::json::value{} : text(facts_.config)},
                      {"database", text(database_text(facts_.storage))}};
    return {status, boost::json::serialize(body)};
}

net::LocalReply RouterControl::refuse(unsigned status, const std::string& reason) const
{
    return reply(status, {{"error", text(reason)}});
}

/// Waits for the changes that the one who asks has seen in the database.
bool RouterControl::knows(const boost::json::object& asked, const std::stop_token& stop) const
{
    const auto digest = text_of(asked, "known");
    if (digest.empty())
        return true;
    const auto limit = std::chrono::steady_clock::now() + knowing_patience;
    while (routing_.known_digest() != digest) {
        if (stop.stop_requested() || std::chrono::steady_clock::now() >= limit)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
}

net::LocalReply RouterControl::status(const boost::json::object& asked, const std::stop_token& stop) const
{
    const bool up_to_date = knows(asked, stop);
    const auto readiness = services_.readiness();
    const bool draining = services_.draining;
    const auto now = std::chrono::steady_clock::now();
    boost::json::object body;
    body["ready"] = readiness.ready && !draining;
    body["readiness"] = text(draining ? "draining" : readiness.text.empty() ? "ready" : readiness.text);
    body["draining"] = draining;
    body["requests_in_flight"] = services_.in_flight.load();
    body["connections"] = services_.open_sessions.load();
    body["record_queue_bytes"] = gauges_.record_queue_bytes ? gauges_.record_queue_bytes() : 0;
    body["outbox_records"] = gauges_.outbox_records ? gauges_.outbox_records() : 0;
    boost::json::array upstreams;
    for (const auto& upstream : routing_.view().upstreams)
        upstreams.push_back(in_json(upstream, now));
    body["upstreams"] = std::move(upstreams);
    body["up_to_date"] = up_to_date;
    return reply(200, std::move(body));
}

net::LocalReply RouterControl::explain(const boost::json::object& asked, const std::stop_token& stop) const
{
    ImaginedRequest request;
    request.model = text_of(asked, "model");
    request.path = text_of(asked, "path", request.path);
    if (const auto* stream = asked.if_contains("stream"))
        request.stream = stream->is_bool() && stream->get_bool();
    boost::system::error_code unfit;
    if (const auto* bytes = asked.if_contains("body_bytes"))
        request.body_bytes = bytes->to_number<std::uint64_t>(unfit);
    if (asked.contains("key_hash") && !from_hex(text_of(asked, "key_hash"), request.key.emplace()))
        return refuse(400, "key_hash: expected 64 hexadecimal digits");
    if (unfit)
        return refuse(400, "body_bytes: expected a whole number");
    const bool up_to_date = knows(asked, stop);
    auto explained = route::explain(routing_.view(), request);
    explained["up_to_date"] = up_to_date;
    return reply(200, std::move(explained));
}

net::LocalReply RouterControl::test(const boost::json::object& asked, const std::stop_token& stop)
{
    const Turn turn{tests_, most_tests};
    if (!turn)
        return refuse(503, "the router is asking upstreams for other commands: try again later");
    const auto id = text_of(asked, "id");
    const bool up_to_date = knows(asked, stop);
    const auto view = routing_.view();
    const auto* upstream = view.find(id);
    if (upstream == nullptr)
        return refuse(404, "there is no upstream " + (id.size() < 65 ? id : mask_key(id)));
    auto tested = probe_json(*upstream, probe_upstream(view, *upstream, stop));
    tested["up_to_date"] = up_to_date;
    return reply(200, std::move(tested));
}

net::LocalReply RouterControl::replay(const boost::json::object& asked, const std::stop_token& stop)
{
    const Turn turn{tests_, most_tests};
    if (!turn)
        return refuse(503, "the router is asking upstreams for other commands: try again later");
    const auto request = read_replay(asked);
    if (!request)
        return refuse(400, request.error().reason);
    const bool up_to_date = knows(asked, stop);
    auto replayed = route::replay(routing_.view(), *request, stop);
    if (!replayed)
        return refuse(409, replayed.error().reason);
    (*replayed)["up_to_date"] = up_to_date;
    return reply(200, *std::move(replayed));
}

/// Whether a row of the database may name this secret, and it is there; not what it is.
net::LocalReply RouterControl::reference(const boost::json::object& asked) const
{
    const auto reference = text_of(asked, "reference");
    if (!is_secret_reference(reference))
        return refuse(400, "expected env:NAME or file:PATH");
    const auto resolved = restricted_secrets(routing_.current()->settings.secrets)(reference);
    return reply(200, {{"unresolved", resolved ? boost::json::value{} : text(resolved.error().reason)}});
}

}  // namespace route
