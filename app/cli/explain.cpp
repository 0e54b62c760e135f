#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <random>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/table.hpp"
#include "app/cli/upstream_lookup.hpp"
#include "app/secrets.hpp"
#include "core/candidates.hpp"
#include "core/timeouts.hpp"

namespace route::cli {
namespace {

struct ExplainOptions
{
    std::string model;
    std::string path = "/v1/chat/completions";
    std::string key;
    std::uint64_t body_bytes = 0;
    bool stream = false;
    bool json = false;
};

struct PassedOver
{
    std::string upstream;
    std::string reason;
};

struct Plan
{
    Upstreams usable;
    std::vector<const Upstream*> order;
    std::vector<PassedOver> passed_over;
    std::string key;  ///< who the client is, or why it is refused; "" when not asked
};

std::string reason_not_allowed(const Upstream& upstream, const ExplainOptions& options)
{
    const std::optional<std::string> model{options.model};
    const bool denied = !allows({}, upstream.deny, model, options.path);
    return fmt::format("{} {}", denied ? "deny matches" : "no entry of allow matches", options.model);
}

Plan make_plan(Session& session, const ExplainOptions& options)
{
    const auto& settings = session.configuration().settings;
    Plan plan;
    for (const auto& [definition, origin] : listed_upstreams(session)) {
        const auto name = effective_name(definition);
        auto made = make_upstream(definition, secrets_for(origin, settings.secrets), nullptr);
        if (!definition.enabled)
            plan.passed_over.push_back({name, "disabled"});
        else if (made.has_error())
            plan.passed_over.push_back({name, "unusable: " + made.error().reason});
        else if (!allows(made->allow, made->deny, options.model, options.path))
            plan.passed_over.push_back({name, reason_not_allowed(*made, options)});
        else
            plan.usable.push_back(std::make_shared<const Upstream>(*std::move(made)));
    }
    std::random_device random;
    std::uniform_int_distribution<std::uint64_t> draw;
    plan.order = candidates(plan.usable, {options.model, options.path}, settings.failover.order, {},
                            [&] { return draw(random); });
    return plan;
}

/// Which rule of attempt_timeouts() gave the limit.
std::string timeout_rule(const TimeoutSettings& settings, const TimeoutFacts& facts, const Upstream& upstream)
{
    if (facts.stream && upstream.stream_timeout)
        return "its own stream_timeout";
    if (upstream.timeout)
        return "its own timeout";
    if (facts.only_candidate)
        return "timeouts.single";
    if (facts.body_bytes > settings.large_body_over)
        return "timeouts.large_body";
    return facts.stream ? "timeouts.stream" : "timeouts.default";
}

/// By name or by the key itself.
std::string explain_key(Session& session, const std::string& key)
{
    const auto& auth = session.configuration().settings.auth;
    if (!auth.enabled)
        return "any: authentication is off";
    const auto resolve = unrestricted_secrets();
    for (const auto& configured : auth.keys) {
        const auto value = resolve(configured.key);
        if (configured.name == key || (value.has_value() && *value == key))
            return fmt::format("{} (file)", configured.name);
    }
    if (session.has_database())
        for (const auto& stored : session.database().client_keys())
            if (stored.name == key || stored.hash == hash_key(key))
                return fmt::format("{} (database)", stored.name);
    return "unknown: the request is refused with 403";
}

std::string sent_model(const Upstream& upstream, const std::string& model)
{
    const auto renamed = upstream.rename.find(model);
    return renamed == upstream.rename.end() ? model : renamed->second;
}

void print_text(Session& session, const ExplainOptions& options, const Plan& plan)
{
    const auto& settings = session.configuration().settings;
    const TimeoutFacts facts{options.stream, options.body_bytes, plan.order.size() == 1};
    if (!plan.key.empty())
        session.out << "client key: " << plan.key << "\n\n";
    if (plan.order.empty())
        session.out << "no upstream would be tried\n";
    Table order{{">TRY", "UPSTREAM", ">PRIORITY", "MODEL", ">TIMEOUT", "BY"}};
    for (std::size_t i = 0; i < plan.order.size(); ++i) {
        const auto& upstream = *plan.order[i];
        const auto limits = attempt_timeouts(settings.timeouts, facts, upstream);
        order.row({std::to_string(i + 1), upstream.name, std::to_string(upstream.priority),
                   sent_model(upstream, options.model), fmt::format("{} s", limits.head.count()),
                   timeout_rule(settings.timeouts, facts, upstream)});
    }
    if (!plan.order.empty())
        order.print(session.out);
    if (settings.failover.order == UpstreamOrder::random)
        session.out << "\nfailover.order is random: this is one draw\n";
    if (plan.passed_over.empty())
        return;
    Table others{{"NOT TRIED", "WHY"}};
    for (const auto& other : plan.passed_over)
        others.row({other.upstream, other.reason});
    session.out << '\n';
    others.print(session.out);
}

void print_as_json(Session& session, const ExplainOptions& options, const Plan& plan)
{
    const auto& settings = session.configuration().settings;
    const TimeoutFacts facts{options.stream, options.body_bytes, plan.order.size() == 1};
    boost::json::array order;
    for (const auto* upstream : plan.order) {
        const auto limits = attempt_timeouts(settings.timeouts, facts, *upstream);
        order.push_back({{"upstream", json_text(upstream->name)},
                         {"priority", upstream->priority},
                         {"model", json_text(sent_model(*upstream, options.model))},
                         {"connect_timeout", json_seconds(limits.connect)},
                         {"timeout", json_seconds(limits.head)},
                         {"idle_timeout", json_seconds(limits.idle)},
                         {"by", timeout_rule(settings.timeouts, facts, *upstream)}});
    }
    boost::json::array others;
    for (const auto& other : plan.passed_over)
        others.push_back({{"upstream", json_text(other.upstream)}, {"reason", json_text(other.reason)}});
    boost::json::object json;
    if (!plan.key.empty())
        json["key"] = json_text(plan.key);
    json["order"] = std::move(order);
    json["not_tried"] = std::move(others);
    print_json(session.out, json);
}

int explain(Session& session, const ExplainOptions& options)
{
    auto plan = make_plan(session, options);
    if (!options.key.empty())
        plan.key = explain_key(session, options.key == "-" ? session.read_secret() : options.key);
    if (options.json)
        print_as_json(session, options, plan);
    else
        print_text(session, options, plan);
    return 0;
}

}  // namespace

void add_explain(Commands& commands)
{
    auto& session = commands.session();
    const auto options = std::make_shared<ExplainOptions>();
    auto& command = commands.add("explain",
                                 "Which upstreams a request would try, in which order, with which timeout; "
                                 "cooldowns are known only to running routers",
                                 [&session, options] { return explain(session, *options); });
    command.add_option("--model", options->model, "Model asked for")->type_name("NAME")->required();
    command.add_flag("--stream", options->stream, "The request says \"stream\": true");
    command
        .add_option("--key", options->key, "Name of a client key, or the key itself; - reads standard input")
        ->type_name("KEY");
    const auto set_bytes = [options](std::int64_t bytes) {
        options->body_bytes = static_cast<std::uint64_t>(bytes);
    };
    add_number(command, "--body-bytes", set_bytes, {}, "Size of the request's body");
    command.add_option("--path", options->path, "Default: /v1/chat/completions")->type_name("PATH");
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
