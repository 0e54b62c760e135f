#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/running_router.hpp"
#include "app/cli/table.hpp"
#include "core/counted.hpp"
#include "core/timestamps.hpp"

namespace route::cli {
namespace {

struct StatusOptions
{
    bool json = false;
    bool watch = false;
    bool healthy = false;
};

std::string shown(const boost::json::object& object, const char* name)
{
    const auto& value = object.at(name);
    if (value.is_null())
        return {};
    return value.is_string() ? std::string{value.get_string()} : boost::json::serialize(value);
}

std::string counted_of(const boost::json::object& object, const char* name, std::string_view thing)
{
    return counted(object.at(name).to_number<std::uint64_t>(), thing);
}

void print_router(Session& session, const boost::json::object& status)
{
    const auto& router = status.at("router").as_object();
    Table table{{"version", shown(router, "version")}};
    table.row({"process", shown(router, "process")});
    table.row({"since", shown(router, "since")});
    table.row({"listening on", shown(router, "listen")});
    table.row({"configuration", router.at("config").is_null() ? "none" : shown(router, "config")});
    table.row({"database", shown(router, "database")});
    table.row({"state", (status.at("ready").as_bool() ? "" : "not ready: ") + shown(status, "readiness")});
    table.row({"requests in flight", shown(status, "requests_in_flight")});
    table.row({"connections", shown(status, "connections")});
    table.row({"records waiting",
               fmt::format("{} in memory, {} in the outbox", counted_of(status, "record_queue_bytes", "byte"),
                           shown(status, "outbox_records"))});
    table.print(session.out);
}

void print_status(Session& session, const boost::json::object& status)
{
    print_router(session, status);
    const auto& upstreams = status.at("upstreams").as_array();
    session.out << '\n';
    if (upstreams.empty()) {
        session.out << "no upstreams\n";
        return;
    }
    Table table{{">PRIORITY", "UPSTREAM", "STATE", "SINCE", "UNTIL", "WHY"}};
    for (const auto& each : upstreams) {
        const auto& upstream = each.as_object();
        table.row({shown(upstream, "priority"), shown(upstream, "name"), shown(upstream, "state"),
                   shown(upstream, "since"), shown(upstream, "until"), shown(upstream, "reason")});
        for (const auto& model : upstream.at("models").as_array()) {
            const auto& rest = model.as_object();
            table.row({"", shown(upstream, "name"), "in cooldown for model " + shown(rest, "model"),
                       shown(rest, "since"), shown(rest, "until"), shown(rest, "reason")});
        }
    }
    table.print(session.out);
}

/// For a log: all on one line.
void print_line(Session& session, const boost::json::object& status)
{
    std::string states;
    for (const auto& each : status.at("upstreams").as_array())
        states += fmt::format(" {}={}", shown(each.as_object(), "name"), shown(each.as_object(), "state"));
    session.out << format_timestamp(std::chrono::system_clock::now())
                << fmt::format(" {}: {} in flight, {} and {} wait;{}\n", shown(status, "readiness"),
                               counted_of(status, "requests_in_flight", "request"),
                               counted_of(status, "record_queue_bytes", "byte"),
                               counted_of(status, "outbox_records", "record"), states);
}

/// Until interrupted, or nobody reads any more; a router that is started anew is found again.
int watch(Session& session, bool json)
{
    const bool terminal = &session.out == &std::cout && ::isatty(STDOUT_FILENO) == 1;
    RunningRouter router{session};
    while (session.out) {
        const auto status = router.status();
        if (terminal && !json)
            session.out << "\x1b[H\x1b[2J";
        if (!status && json)
            session.out << R"({"router":null})" << '\n';
        else if (!status)
            session.out << format_timestamp(std::chrono::system_clock::now()) << ' ' << router.absence()
                        << '\n';
        else if (json)
            print_json(session.out, *status);
        else if (terminal)
            print_status(session, *status);
        else
            print_line(session, *status);
        session.out.flush();
        std::this_thread::sleep_for(std::chrono::seconds{1});
    }
    return 0;
}

int status(Session& session, const StatusOptions& options)
{
    if (options.watch)
        return watch(session, options.json);
    RunningRouter router{session};
    const auto status = router.status();
    if (!status)
        fail(router.absence());
    if (options.json)
        print_json(session.out, *status);
    else if (options.healthy)
        session.out << shown(*status, "readiness") << '\n';
    else
        print_status(session, *status);
    return options.healthy && !status->at("ready").as_bool() ? 1 : 0;
}

}  // namespace

void add_status(Commands& commands)
{
    auto& session = commands.session();
    const auto options = std::make_shared<StatusOptions>();
    auto& command = commands.add("status",
                                 "How the router that runs here is doing: upstreams, requests in flight, "
                                 "records waiting",
                                 [&session, options] { return status(session, *options); });
    auto* watched = command.add_flag("--watch", options->watch, "Again every second, until interrupted");
    command
        .add_flag("--healthy", options->healthy, "Only whether it can serve: ends with 0 when it can, else 1")
        ->excludes(watched);
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
