#include <fmt/format.h>

#include <chrono>

#include "app/channels.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/record_text.hpp"
#include "app/cli/running_router.hpp"
#include "app/command_loop.hpp"
#include "app/configured_table.hpp"
#include "app/host_name.hpp"
#include "core/http/client_head.hpp"
#include "core/secret_eraser.hpp"
#include "core/text.hpp"
#include "notify/network_http.hpp"

namespace route::cli {
namespace {

constexpr std::size_t most_shown = 2048;  ///< of a body

/// A request that was sent for a message, and what came back.
struct Sent
{
    std::string method;
    std::string url;  ///< fit to be shown
    std::string body;
    notify::HttpReply reply;
    Nanoseconds elapsed{};
};

/// Keeps what passes.
class WatchedHttp final : public notify::Http
{
  public:
    explicit WatchedHttp(notify::Http& http) : http_{http} {}

    net::awaitable<notify::HttpReply> ask(const notify::HttpRequest& request) override
    {
        const auto begin = net::Clock::now();
        auto asking = http_.ask(request);
        auto reply = co_await std::move(asking);
        Sent each{request.method, notify::shown(request.url), request.body, reply, net::Clock::now() - begin};
        SecretEraser eraser;
        for (const auto& secret : request.secrets)
            eraser.add(secret);
        eraser.erase(each.body);
        sent_.push_back(std::move(each));
        co_return reply;
    }

    std::vector<Sent> take() { return std::exchange(sent_, {}); }

  private:
    notify::Http& http_;
    std::vector<Sent> sent_;
};

struct Tested
{
    std::string channel;
    notify::Delivery delivery;
    std::vector<Sent> sent;
};

net::awaitable<void> test_channels(const std::vector<notify::ChannelPtr>& channels, notify::Http& network,
                                   std::vector<Tested>& results)
{
    WatchedHttp http{network};
    auto message = notify::tell_test();
    notify::stamp(message, host_name());
    for (const auto& channel : channels) {
        Tested result;
        result.channel = channel->name();
        auto delivering = channel->deliver(message, http, std::chrono::system_clock::now());
        result.delivery = co_await std::move(delivering);
        result.sent = http.take();
        results.push_back(std::move(result));
    }
}

std::string answer_of(const notify::HttpReply& reply)
{
    if (reply.status == 0)
        return "no response: " + reply.error;
    const auto said = trim(reply.body);
    return fmt::format("{} {}{}{}", reply.status, reason_phrase(reply.status), said.empty() ? "" : ": ",
                       escape_for_log(said, most_shown));
}

void print_text(std::ostream& out, const Tested& tested)
{
    const auto& [result, detail, wait] = tested.delivery;
    out << tested.channel
        << (result == notify::Delivery::Result::ok ? std::string{": ok"} : ": failed: " + detail) << '\n';
    for (const auto& sent : tested.sent) {
        out << "  sent      " << sent.method << ' ' << sent.url << '\n';
        if (!sent.body.empty())
            out << "            " << escape_for_log(sent.body, most_shown) << '\n';
        out << "  came back " << answer_of(sent.reply) << " (" << ms_text(sent.elapsed) << " ms)\n";
    }
}

void print_as_json(std::ostream& out, const Tested& tested)
{
    boost::json::object json;
    json["channel"] = tested.channel;
    json["ok"] = tested.delivery.result == notify::Delivery::Result::ok;
    json["error"] = nullptr;
    if (!tested.delivery.detail.empty())
        json["error"] = json_text(tested.delivery.detail);
    boost::json::array requests;
    for (const auto& sent : tested.sent) {
        boost::json::object request;
        request["method"] = sent.method;
        request["url"] = json_text(sent.url);
        request["body"] = json_text(sent.body);
        request["status"] = nullptr;
        if (sent.reply.status != 0)
            request["status"] = sent.reply.status;
        request["reply"] = json_text(sent.reply.status == 0 ? sent.reply.error : sent.reply.body);
        request["elapsed_ms"] = json_ms(sent.elapsed);
        requests.push_back(std::move(request));
    }
    json["requests"] = std::move(requests);
    print_json(out, json);
}

int test(Session& session, bool json)
{
    const auto& configuration = session.configuration();
    const auto channels = make_channels(configuration.settings.notify);
    if (!channels)
        fail(describe(located(channels.error(), configuration)));
    if (channels->empty())
        fail(
            "no channel is configured: set notify.feishu_webhook, notify.matrix_homeserver or "
            "notify.webhook, "
            "or FEISHU_WEBHOOK or MATRIX_API in the environment");
    CommandLoop own{std::make_shared<net::RoutingTable>()};
    notify::NetworkHttp network{own.loop(), environment_proxies().value()};
    std::vector<Tested> results;
    own.run(test_channels(*channels, network, results));
    std::string failed;
    for (const auto& tested : results) {
        if (json)
            print_as_json(session.out, tested);
        else
            print_text(session.out, tested);
        if (tested.delivery.result != notify::Delivery::Result::ok)
            failed += (failed.empty() ? "" : ", ") + tested.channel;
    }
    if (const auto router = json ? std::nullopt : RunningRouter{session}.status())
        session.out << fmt::format(
            "\nsent with this shell's environment and proxies: those of the running router (process {}) may "
            "be "
            "others\n",
            router->at("router").at("process").to_number<std::int64_t>());
    if (!failed.empty())
        fail("the test message did not arrive: " + failed);
    return 0;
}

}  // namespace

void add_notify_test(Commands& notify)
{
    auto& session = notify.session();
    const auto json = std::make_shared<bool>(false);
    auto& command =
        notify.add("test", "Sends a test message through every channel and shows what was sent and came back",
                   [&session, json] { return test(session, *json); });
    command.add_flag("--json", *json, "As JSON, one line for each channel");
}

}  // namespace route::cli
