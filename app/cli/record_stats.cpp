#include <boost/json/array.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/record_options.hpp"
#include "app/cli/record_text.hpp"

namespace route::cli {
namespace {

boost::json::object stats_json(const storage::RecordStats& stats)
{
    boost::json::object json;
    json["model"] = json_text(stats.model);
    json["upstream"] = json_text(stats.upstream);
    json["requests"] = stats.requests;
    json["ok"] = stats.ok;
    json["errors"] = stats.errors;
    json["p50_time"] = static_cast<std::int64_t>(stats.p50.count());
    json["p95_time"] = static_cast<std::int64_t>(stats.p95.count());
    json["prompt_tokens"] = stats.prompt_tokens;
    json["completion_tokens"] = stats.completion_tokens;
    json["total_tokens"] = stats.total_tokens;
    return json;
}

int show(Session& session, const RecordOptions& options)
{
    const auto all = session.database().record_stats(record_filter(options));
    boost::json::array array;
    Table table{{"MODEL", "UPSTREAM", ">REQUESTS", ">OK", ">ERRORS", ">P50 MS", ">P95 MS", "?>PROMPT",
                 "?>COMPLETION", "?>TOKENS"}};
    for (const auto& stats : all) {
        array.push_back(stats_json(stats));
        table.row({stats.model, stats.upstream, std::to_string(stats.requests), std::to_string(stats.ok),
                   std::to_string(stats.errors), ms_text(stats.p50), ms_text(stats.p95),
                   std::to_string(stats.prompt_tokens), std::to_string(stats.completion_tokens),
                   std::to_string(stats.total_tokens)});
    }
    if (options.json)
        print_json(session.out, array);
    else
        table.print(session.out);
    return 0;
}

}  // namespace

void add_record_stats(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<RecordOptions>();
    auto& command = record.add("stats", "Requests, times and tokens by model and upstream",
                               [&session, options] { return show(session, *options); });
    declare_filters(command, *options);
    command.add_flag("--json", options->json, "As JSON; times in nanoseconds");
}

}  // namespace route::cli
