#include "app/cli/running_router.hpp"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>

#include "app/router_control.hpp"
#include "app/routing_view.hpp"
#include "core/net/transport/local_client.hpp"
#include "core/net/transport/local_server.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

std::string member(const boost::json::object& object, const char* name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

/// What the answer says of the router; null in another program's answer.
const boost::json::object* router_of(const boost::json::object& answer)
{
    const auto* router = answer.if_contains("router");
    return router == nullptr ? nullptr : router->if_object();
}

bool same_database(const std::string& own, const std::string& routers)
{
    std::error_code error;
    return clean_utf8(own) == routers || std::filesystem::equivalent(own, routers, error);
}

/// Of what the command sees in the database; "" when it cannot be seen.
std::string own_digest(Session& session)
{
    try {
        if (session.has_database())
            return digest_of({session.database().upstreams(), session.database().client_keys()});
    } catch (const std::exception&) {
        return {};  // the router may know more
    }
    return {};
}

}  // namespace

std::optional<boost::json::object> RunningRouter::exchange(const std::string& method,
                                                           const std::string& target, const std::string& body,
                                                           std::chrono::milliseconds patience,
                                                           unsigned& status)
{
    const auto path = control_path(session_.configuration().settings.storage);
    const auto reply = net::ask_local(path, {method, target, body}, patience);
    if (!reply) {
        absence_ = fmt::format("no router answers here ({})", reply.error().reason);
        return std::nullopt;
    }
    boost::system::error_code error;
    auto value = boost::json::parse(reply->body, error);
    if (error || !value.is_object() || router_of(value.get_object()) == nullptr) {
        absence_ = fmt::format("what answers at {} is of another version", path);
        return std::nullopt;
    }
    status = reply->status;
    return std::move(value.get_object());
}

std::optional<boost::json::object> RunningRouter::status()
{
    unsigned status = 0;
    return exchange("GET", "/status", "", std::chrono::seconds{5}, status);
}

std::optional<boost::json::object> RunningRouter::ask(const std::string& target, boost::json::object asked,
                                                      std::chrono::milliseconds patience)
{
    std::error_code ignored;
    if (std::filesystem::exists(control_path(session_.configuration().settings.storage), ignored))
        if (const auto known = own_digest(session_); !known.empty())
            asked["known"] = known;
    unsigned status = 0;
    auto answer = exchange("POST", target, boost::json::serialize(asked), patience, status);
    if (!answer)
        return std::nullopt;
    if (!uses_our_database(*answer))
        return std::nullopt;
    if (status != 200)
        fail(member(*answer, "error"));
    return answer;
}

bool RunningRouter::uses_our_database(const boost::json::object& answer)
{
    const auto own = database_text(session_.configuration().settings.storage);
    const auto routers = member(*router_of(answer), "database");
    const bool same = same_database(own, routers);
    if (!same)
        absence_ = fmt::format("the router that runs here uses another database ({})", routers);
    return same;
}

std::optional<boost::json::object> RunningRouter::ask_once(const std::string& target,
                                                           boost::json::object asked,
                                                           std::chrono::milliseconds patience)
{
    const auto known = status();
    if (!known || !uses_our_database(*known))
        return std::nullopt;
    constexpr auto most = net::LocalServer::most_body - (1u << 10);  // for what ask() adds
    if (boost::json::serialize(asked).size() > most)
        fail(fmt::format("that is longer than what a running router takes ({} MiB)",
                         net::LocalServer::most_body >> 20));
    auto answer = ask(target, std::move(asked), patience);
    if (!answer)
        fail(fmt::format("the running router was asked and did not answer ({}): it may have been done",
                         absence_));
    return answer;
}

std::string RunningRouter::answered_by(const boost::json::object* answer) const
{
    if (answer == nullptr)
        return absence_ + ": answered with this shell's environment\n";
    const auto& router = *router_of(*answer);
    const auto* up_to_date = answer->if_contains("up_to_date");
    const bool behind = up_to_date != nullptr && up_to_date->is_bool() && !up_to_date->get_bool();
    return fmt::format("answered by the running router (process {}, since {}){}\n",
                       boost::json::serialize(router.at("process")), member(router, "since"),
                       behind ? ", which does not know the database's latest changes yet" : "");
}

void note_answerer(boost::json::object& json, bool by_router)
{
    json["answered_by"] = by_router ? "router" : "command";
    if (!by_router)
        json["router"] = nullptr;
}

}  // namespace route::cli
