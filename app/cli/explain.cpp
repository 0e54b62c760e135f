#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/running_router.hpp"
#include "app/cli/table.hpp"
#include "app/explanation.hpp"

namespace route::cli {
namespace {

struct ExplainOptions
{
    ImaginedRequest request;
    std::string key;
    bool json = false;
};

std::string seconds_text(const boost::json::value& seconds)
{
    return seconds.is_int64() ? fmt::format("{} s", seconds.get_int64())
                              : fmt::format("{} s", seconds.as_double());
}

std::string text_at(const boost::json::object& object, const char* name)
{
    return std::string{object.at(name).as_string()};
}

void print_order(Session& session, const boost::json::array& order)
{
    Table table{{">TRY", "UPSTREAM", ">PRIORITY", "MODEL", ">TIMEOUT", "BY"}};
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto& upstream = order[i].as_object();
        table.row({std::to_string(i + 1), text_at(upstream, "upstream"),
                   std::to_string(upstream.at("priority").as_int64()), text_at(upstream, "model"),
                   seconds_text(upstream.at("timeout")), text_at(upstream, "by")});
    }
    table.print(session.out);
}

void print_cooldown(Session& session, const boost::json::object& upstream)
{
    const auto name = text_at(upstream, "upstream");
    const auto& model = upstream.at("cooldown_model");
    if (const auto& left = upstream.at("cooldown_left"); left.is_int64())
        session.out << fmt::format(
            "\n{} is in cooldown{} for {} s: it is tried after the others\n", name,
            model.is_string() ? " for model " + text_at(upstream, "cooldown_model") : "", left.get_int64());
    else if (upstream.at("probing").as_bool())
        session.out << fmt::format(
            "\n{} is probed by another request after its cooldown: it is tried after the others\n", name);
}

void print_explanation(Session& session, const boost::json::object& explained)
{
    if (explained.contains("key"))
        session.out << "client key: " << text_at(explained, "key") << "\n\n";
    const auto& order = explained.at("order").as_array();
    if (order.empty())
        session.out << "no upstream would be tried\n";
    else
        print_order(session, order);
    for (const auto& upstream : order)
        print_cooldown(session, upstream.as_object());
    if (const auto& rules = explained.at("rules").as_array(); !rules.empty()) {
        session.out << '\n';
        for (const auto& rule : rules)
            session.out << std::string_view{rule.as_string()} << '\n';
    }
    if (explained.at("random").as_bool())
        session.out << "\nfailover.order is " << text_at(explained, "by") << ": this is one draw\n";
    const auto& not_tried = explained.at("not_tried").as_array();
    if (not_tried.empty())
        return;
    Table others{{"NOT TRIED", "WHY"}};
    for (const auto& other : not_tried)
        others.row({text_at(other.as_object(), "upstream"), text_at(other.as_object(), "reason")});
    session.out << '\n';
    others.print(session.out);
}

boost::json::object explain_here(Session& session, const ImaginedRequest& request)
{
    storage::UpstreamsAndKeys stored;
    if (session.has_database())
        stored = {session.database().upstreams(), session.database().client_keys()};
    return explain(own_view(session.configuration().settings, stored), request);
}

int explain(Session& session, const ExplainOptions& options)
{
    auto request = options.request;
    boost::json::object asked{{"model", request.model},
                              {"path", request.path},
                              {"stream", request.stream},
                              {"body_bytes", request.body_bytes}};
    if (!options.key.empty()) {
        request.key = hash_key(options.key == "-" ? session.read_secret() : options.key);
        asked["key_hash"] = to_hex(*request.key);
    }
    RunningRouter router{session};
    const auto answer = router.ask("/explain", std::move(asked));
    auto explained = answer ? *answer : explain_here(session, request);
    if (options.json) {
        note_answerer(explained, answer.has_value());
        print_json(session.out, explained);
        return 0;
    }
    print_explanation(session, explained);
    session.out << '\n' << router.answered_by(answer ? &*answer : nullptr);
    return 0;
}

}  // namespace

void add_explain(Commands& commands)
{
    auto& session = commands.session();
    const auto options = std::make_shared<ExplainOptions>();
    auto& command = commands.add("explain",
                                 "Which upstreams a request would try, in which order, with which timeout; "
                                 "the running router answers, if there is one",
                                 [&session, options] { return explain(session, *options); });
    command.add_option("--model", options->request.model, "Model asked for")->type_name("NAME")->required();
    command.add_flag("--stream", options->request.stream, "The request says \"stream\": true");
    command
        .add_option("--key", options->key, "Name of a client key, or the key itself; - reads standard input")
        ->type_name("KEY");
    const auto set_bytes = [options](std::int64_t bytes) {
        options->request.body_bytes = static_cast<std::uint64_t>(bytes);
    };
    add_number(command, "--body-bytes", set_bytes, {}, "Size of the request's body");
    command.add_option("--path", options->request.path, "Default: /v1/chat/completions")->type_name("PATH");
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
