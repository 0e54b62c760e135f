#include "app/replay.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "app/cli/json.hpp"
#include "app/command_loop.hpp"
#include "app/upstream_probe.hpp"
#include "core/failover/candidates.hpp"
#include "core/failover/offered_models.hpp"
#include "core/http/request_path.hpp"
#include "core/net/single_try.hpp"
#include "core/openai/api.hpp"
#include "core/text.hpp"

namespace route {
namespace {

namespace http = boost::beast::http;
using cli::json_ms;
using cli::json_or_null;
using cli::json_text;

/// Texts of the question, by their names.
template <class Request>
auto members_of(Request& request)
{
    return std::array{std::pair{"method", &request.method}, std::pair{"path", &request.path},
                      std::pair{"content_type", &request.content_type}, std::pair{"body", &request.body},
                      std::pair{"upstream", &request.upstream}};
}

/// As serving reads it; `body` has body_padding bytes behind its end.
RequestFacts facts_of(const ReplayedRequest& request, const RoutingView& view, std::string& body)
{
    const auto size = body.size();
    body.resize(size + body_padding);
    const std::string_view text{body.data(), size};
    auto facts =
        read_request_facts(request.content_type, text, Reading::lenient, view.table->changed_members);
    return facts ? *std::move(facts) : RequestFacts{};
}

/// Those that a client of that API sends and without which it does not answer; the others are not recorded.
HeaderFields fields_of(const ReplayedRequest& request)
{
    HeaderFields fields{{http::field::accept, "Accept", "application/json, text/event-stream"},
                        {http::field::user_agent, "User-Agent", "openai-api-route/" ROUTE_VERSION}};
    if (!request.content_type.empty())
        fields.push_back({http::field::content_type, "Content-Type", request.content_type});
    if (api_of(request.method, request.path) == Api::messages)
        fields.push_back({http::field::unknown, "anthropic-version", "2023-06-01"});
    return fields;
}

Result<std::shared_ptr<const Upstream>> upstream_for(const RoutingView& view, const ReplayedRequest& request,
                                                     const ModelAndPath& wanted, bool stream)
{
    const ViewedUpstream* chosen = nullptr;
    if (!request.upstream.empty()) {
        chosen = view.find(request.upstream);
        if (chosen == nullptr)
            return Invalid{"there is no upstream " +
                           (request.upstream.size() < 65 ? request.upstream : mask_key(request.upstream))};
    } else {
        Upstreams usable;
        for (const auto& upstream : view.upstreams)
            if (upstream.usable)
                usable.push_back(upstream.usable);
        std::mt19937_64 random{std::random_device{}()};
        const auto order = candidates(usable, wanted, {view.table->settings.failover.order, {}, stream},
                                      std::chrono::steady_clock::now(), [&] { return random(); });
        for (const auto& upstream : view.upstreams)
            if (!order.empty() && upstream.usable.get() == order.front())
                chosen = &upstream;
        if (chosen == nullptr)
            return Invalid{"no upstream would be tried: name one with --upstream"};
    }
    auto found = usable_upstream(view, *chosen);
    if (!found)
        return Invalid{"upstream " + effective_name(chosen->definition) +
                       " cannot be used: " + found.error().reason};
    if ((*found)->asis)
        return Invalid{"upstream " + (*found)->name +
                       " gets the client's own key (its sk is asis), which is not recorded: name another "
                       "with --upstream"};
    if ((*found)->endpoint.model_at != std::string::npos &&
        !(wanted.model && can_name((*found)->endpoint, sent_model(**found, *wanted.model))))
        return Invalid{"the endpoint of upstream " + (*found)->name + " cannot name that model"};
    return found;
}

}  // namespace

Result<ReplayedRequest> read_replay(const boost::json::object& asked)
{
    ReplayedRequest request;
    for (const auto& [name, text] : members_of(request)) {
        const auto* const member = asked.if_contains(name);
        if (member == nullptr || !member->is_string())
            return Invalid{std::string{name} + ": expected a string"};
        *text = member->get_string();
    }
    return request;
}

boost::json::object replay_question(const ReplayedRequest& request)
{
    boost::json::object question;
    for (const auto& [name, text] : members_of(request))
        question[name] = clean_utf8(*text);
    return question;
}

Result<boost::json::object> replay(const RoutingView& view, const ReplayedRequest& request,
                                   const std::stop_token& stop)
{
    if (!is_passed_on(request.path))
        return Invalid{"path: expected one that is passed on"};
    if (!is_token(request.method) || is_for_the_way(request.method))
        return Invalid{"method: expected one that is passed on"};
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(request.content_type.begin(), request.content_type.end(), is_control))
        return Invalid{"content_type: expected no control characters"};
    auto body = request.body;
    const auto facts = facts_of(request, view, body);
    const auto path_model = model_of_path(request.method, request.path);
    ModelAndPath wanted{facts.model, request.path, facts.model_cut};
    if (!path_model.empty())
        wanted.model = path_model;
    const auto found = upstream_for(view, request, wanted, facts.stream);
    if (!found)
        return found.error();
    const auto& upstream = **found;
    const auto fields = fields_of(request);
    const auto place =
        api_of(request.method, request.path) == Api::messages ? KeyPlace::x_api_key : KeyPlace::authorization;
    std::optional<std::uint64_t> body_bytes;
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
        request.method == "PATCH")
        body_bytes = request.body.size();
    net::OutgoingRequest outgoing{{request.method, request.path, "", fields, body_bytes, place},
                                  std::string_view{body}.substr(0, request.body.size()),
                                  facts,
                                  request.method == "HEAD"};
    outgoing.path_model = path_model;
    // One that is not in use has secrets of its own.
    const auto table = std::make_shared<net::RoutingTable>(*view.table);
    net::add_secrets(table->secrets, upstream);
    Record record;
    record.path = request.path;
    record.upstream_secrets = {table, &table->secrets};
    CommandLoop own{table};
    auto& loop = own.loop();
    const std::stop_callback on_stop{stop, [&] { loop.post([&loop] { loop.stop(); }); }};
    own.run(net::try_once(loop, *table, upstream, outgoing, record));
    complete_record(record, {true, request.body.size(), true, view.table->settings.records.max_response});
    if (record.attempts.empty())
        return Invalid{"it was stopped"};
    const auto& tried = record.attempts.front();
    boost::json::object json;
    json["upstream"] = json_text(upstream.name);
    json["status"] = json_or_null(tried.status);
    json["outcome"] = to_string(tried.outcome);
    json["error"] = tried.error.empty() ? boost::json::value{} : json_text(escape_for_log(tried.error));
    json["response"] = json_text(record.response);
    json["response_bytes"] = record.response_bytes;
    json["first_byte_ms"] = record.response_time ? json_ms(*record.response_time) : boost::json::value{};
    json["elapsed_ms"] = json_ms(record.elapsed_time);
    json["prompt_tokens"] = json_or_null(record.prompt_tokens);
    json["completion_tokens"] = json_or_null(record.completion_tokens);
    json["total_tokens"] = json_or_null(record.total_tokens);
    json["finish_reason"] = json_text(record.finish_reason);
    return json;
}

}  // namespace route
