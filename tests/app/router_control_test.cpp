#include "app/router_control.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>
#include <future>

#include "core/net/server.hpp"
#include "tests/app/command_line.hpp"
#include "tests/app/temporary_directory.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

using boost::json::object;

class NoRecords final : public RecordSink
{
  public:
    void take(std::unique_ptr<QueuedRecord>) override {}
    bool has_room() const override { return true; }
    void dropped(std::unique_ptr<QueuedRecord>) override {}
};

UpstreamDefinition named(const std::string& name, const std::string& endpoint = "http://127.0.0.1:9/v1")
{
    UpstreamDefinition upstream;
    upstream.name = name;
    upstream.sk = "sk-" + name + "-0123456789abcdef";
    upstream.endpoint = endpoint;
    return upstream;
}

/// A router without the rest of it.
struct Routers
{
    explicit Routers(Settings settings, storage::UpstreamsAndKeys known = {})
        : routing{LiveRouting::make(settings, std::move(known), false).value()},
          control{*routing, services, gauges(), {"127.0.0.1:1", "/etc/a.toml", settings.storage}}
    {
    }

    static metrics::Gauges gauges()
    {
        metrics::Gauges gauges;
        gauges.record_queue_bytes = [] { return 17u; };
        gauges.outbox_records = [] { return 3u; };
        return gauges;
    }

    unsigned code = 0;
    std::string text;
    object ask(const std::string& target, const object& asked = {}, const std::stop_token& stop = {})
    {
        const auto reply = control.answer({"POST", target, boost::json::serialize(asked)}, stop);
        code = reply.status;
        text = reply.body;
        return boost::json::parse(reply.body).as_object();
    }

    NoRecords sink;
    net::Services services{sink};
    std::unique_ptr<LiveRouting> routing;
    RouterControl control;
};

/// With a model: by a 429 for it.
void rest(LiveRouting& routing, const std::string& name, const std::string& model = {})
{
    const auto now = std::chrono::steady_clock::now();
    for (const auto& upstream : routing.current()->upstreams)
        if (upstream->name == name)
            CHECK(upstream->cooldown->failed(model, !model.empty(), now, {now}, {1, std::chrono::hours{6}}));
    CooldownStart start;
    start.upstream = name;
    start.failures = 3;
    start.error = "connection refused";
    start.model = model;
    routing.note_cooldown(start);
}

std::vector<std::string> names_in(const object& answer, const char* list)
{
    std::vector<std::string> names;
    for (const auto& each : answer.at(list).as_array())
        names.emplace_back(each.at("upstream").as_string());
    return names;
}

Settings four_upstreams()
{
    Settings settings;
    settings.upstreams = {named("first"), named("second"), named("third"), named("fourth")};
    settings.upstreams[2].enabled = false;
    settings.upstreams[3].sk = "env:ROUTE_TEST_UNSET";
    settings.auth.keys = {{"alice", "client-key-of-alice"}};
    return settings;
}

}  // namespace

TEST_CASE("the status of a running router")
{
    Routers router{four_upstreams()};
    rest(*router.routing, "first");
    router.services.in_flight = 2;
    router.services.open_sessions = 5;
    router.services.readiness = [] { return net::Readiness{true, "ready; degraded: a reason"}; };
    const auto status = router.ask("/status");
    CHECK(router.code == 200);
    CHECK(status.at("router").at("listen") == "127.0.0.1:1");
    CHECK(status.at("router").at("config") == "/etc/a.toml");
    CHECK(status.at("router").at("database").as_string() == Settings{}.storage.sqlite);
    CHECK(status.at("router").at("process") == ::getpid());
    CHECK(status.at("ready") == true);
    CHECK(status.at("readiness") == "ready; degraded: a reason");
    CHECK(status.at("requests_in_flight") == 2);
    CHECK(status.at("connections") == 5);
    CHECK(status.at("record_queue_bytes") == 17);
    CHECK(status.at("outbox_records") == 3);
    const auto& upstreams = status.at("upstreams").as_array();
    REQUIRE(upstreams.size() == 4);
    CHECK(upstreams[0].at("state") == "cooldown");
    CHECK(upstreams[0].at("reason") == "3 failures in a row, the last: connection refused");
    CHECK(upstreams[0].at("until").as_string() > upstreams[0].at("since").as_string());
    CHECK(upstreams[1].at("state") == "up");
    CHECK(upstreams[1].at("reason").is_null());
    CHECK(upstreams[2].at("state") == "disabled");
    CHECK(upstreams[3].at("state") == "unusable");
    CHECK(upstreams[3].at("reason") == "sk: environment variable ROUTE_TEST_UNSET is not set");
    CHECK(router.text.find("0123456789abcdef") == std::string::npos);
}

TEST_CASE("the status and the explanation of an upstream that is in cooldown for a model")
{
    Routers router{four_upstreams()};
    rest(*router.routing, "first", "m");
    const auto status = router.ask("/status");
    const auto& first = status.at("upstreams").as_array()[0].as_object();
    CHECK(first.at("state") == "up");
    CHECK(first.at("reason").is_null());
    REQUIRE(first.at("models").as_array().size() == 1);
    const auto& model = first.at("models").as_array()[0].as_object();
    CHECK(model.at("model") == "m");
    CHECK(model.at("reason") == "3 failures in a row, the last: connection refused");
    CHECK(model.at("until").as_string() > model.at("since").as_string());
    CHECK(status.at("upstreams").as_array()[1].at("models").as_array().empty());

    const auto explained = router.ask("/explain", {{"model", "m"}});
    CHECK(names_in(explained, "order") == std::vector<std::string>{"second", "first"});
    CHECK(explained.at("order").at(1).at("cooldown_left").as_int64() > 3000);
    CHECK(explained.at("order").at(1).at("cooldown_model") == "m");
    const auto other = router.ask("/explain", {{"model", "n"}});
    CHECK(names_in(other, "order") == std::vector<std::string>{"first", "second"});
    CHECK(other.at("order").at(0).at("cooldown_left").is_null());
    CHECK(other.at("order").at(0).at("cooldown_model").is_null());

    for (const auto& upstream : router.routing->current()->upstreams)
        upstream->cooldown->succeeded("m");
    CHECK(router.ask("/status").at("upstreams").as_array()[0].at("models").as_array().empty());
}

TEST_CASE("the status and the explanation of an upstream that is probed")
{
    Routers router{four_upstreams()};
    const auto cooldown = router.routing->current()->upstreams.front()->cooldown;
    const auto now = std::chrono::steady_clock::now();
    cooldown->failed({}, false, now, {now}, {1, std::chrono::nanoseconds{6}});  // the first lasts a sixth
    const auto state = [&] { return router.ask("/status").at("upstreams").as_array()[0].at("state"); };
    CHECK(state() == "up");
    const auto turn = cooldown->take_turn({}, now + std::chrono::milliseconds{1});
    REQUIRE(turn);
    CHECK(state() == "probing");
    const auto explained = router.ask("/explain", {{"model", "m"}});
    CHECK(names_in(explained, "order") == std::vector<std::string>{"second", "first"});
    CHECK(explained.at("order").at(1).at("cooldown_left").is_null());
    CHECK(explained.at("order").at(1).at("probing") == true);
}

TEST_CASE("a router that drains is not ready")
{
    Routers router{four_upstreams()};
    router.services.draining = true;
    const auto status = router.ask("/status");
    CHECK(status.at("ready") == false);
    CHECK(status.at("readiness") == "draining");
}

TEST_CASE("the running router knows which upstreams are tried last")
{
    Routers router{four_upstreams()};
    rest(*router.routing, "first");
    const auto explained =
        router.ask("/explain", {{"model", "m"}, {"key_hash", to_hex(hash_key("client-key-of-alice"))}});
    CHECK(names_in(explained, "order") == std::vector<std::string>{"second", "first"});
    CHECK(explained.at("order").at(0).at("cooldown_left").is_null());
    CHECK(explained.at("order").at(1).at("cooldown_left").as_int64() > 3000);
    CHECK(names_in(explained, "not_tried") == std::vector<std::string>{"third", "fourth"});
    CHECK(explained.at("key") == "alice (file)");
    CHECK(router.ask("/explain", {{"model", "m"}, {"key_hash", to_hex(hash_key("alice"))}}).at("key") ==
          "alice (file)");
    CHECK(router.ask("/explain", {{"model", "m"}, {"key_hash", to_hex(hash_key("eve"))}}).at("key") ==
          "unknown: the request is refused with 403");
}

TEST_CASE("what is asked of a router amiss is refused")
{
    Routers router{four_upstreams()};
    CHECK(router.ask("/explain", {{"key_hash", "x"}}).contains("error"));
    CHECK(router.code == 400);
    CHECK(router.ask("/explain", {{"body_bytes", "x"}}).contains("error"));
    CHECK(router.code == 400);
    CHECK(router.ask("/upstreams/test", {{"id", "nobody"}}).at("error") == "there is no upstream nobody");
    CHECK(router.code == 404);
    CHECK(router.ask("/reference", {{"reference", "plain"}}).contains("error"));
    CHECK(router.code == 400);
    CHECK_FALSE(router.ask("/nowhere").contains("router"));
    CHECK(router.code == 404);
    CHECK(router.control.answer({"POST", "/explain", "[]"}, {}).status == 400);
    CHECK(router.control.answer({"POST", "/explain", "{"}, {}).status == 400);
}

TEST_CASE("a reference is tried where the database's are resolved")
{
    const Variable variable{"ROUTE_TEST_SK", "sk-resolved-0123456789"};
    Settings settings;
    settings.secrets.env = {"ROUTE_TEST_SK", "ROUTE_TEST_UNSET"};
    Routers router{settings};
    CHECK(router.ask("/reference", {{"reference", "env:ROUTE_TEST_SK"}}).at("unresolved").is_null());
    CHECK(router.text.find("sk-resolved") == std::string::npos);
    CHECK(router.ask("/reference", {{"reference", "env:ROUTE_TEST_UNSET"}}).at("unresolved") ==
          "environment variable ROUTE_TEST_UNSET is not set");
    CHECK_THAT(
        std::string{router.ask("/reference", {{"reference", "env:HOME"}}).at("unresolved").as_string()},
        ContainsSubstring("secrets.env"));
}

TEST_CASE("a router that is asked waits for the changes that were just made")
{
    Routers router{Settings{}};
    auto added = named("added");
    added.id = 1;
    const storage::UpstreamsAndKeys changed{{added}, {}};
    auto later = std::async(std::launch::async, [&] { router.routing->set_known(changed); });
    const auto explained = router.ask("/explain", {{"model", "m"}, {"known", digest_of(changed)}});
    CHECK(names_in(explained, "order") == std::vector<std::string>{"added"});
    CHECK(explained.at("up_to_date") == true);
    later.get();

    std::stop_source stopped;
    stopped.request_stop();
    CHECK(router.ask("/explain", {{"model", "m"}, {"known", digest_of({})}}, stopped.get_token())
              .at("up_to_date") == false);
}

TEST_CASE("the digest of what is known depends on all of it")
{
    const auto with = [](const auto& change) {
        storage::UpstreamsAndKeys known{{named("a")}, {{1, "alice", hash_key("key"), {}}}};
        change(known);
        return digest_of(known);
    };
    const std::vector<std::string> digests{
        with([](auto&) {}),
        with([](auto& known) { known.upstreams[0].sk += "x"; }),
        with([](auto& known) { known.upstreams[0].endpoint += "x"; }),
        with([](auto& known) { known.upstreams[0].enabled = false; }),
        with([](auto& known) { known.upstreams[0].timeout = Seconds{1}; }),
        with([](auto& known) { known.upstreams[0].stream_timeout = Seconds{1}; }),
        with([](auto& known) { known.upstreams[0].allow = {"m"}; }),
        with([](auto& known) { known.upstreams[0].deny = {"m"}; }),
        with([](auto& known) { known.upstreams[0].rename = {{"m", "n"}}; }),
        with([](auto& known) { known.upstreams[0].proxy = "direct"; }),
        with([](auto& known) { known.upstreams.clear(); }),
        with([](auto& known) { known.keys.clear(); }),
        with([](auto& known) { known.keys[0].hash = hash_key("other"); }),
    };
    CHECK(std::set<std::string>(digests.begin(), digests.end()).size() == digests.size());
    CHECK(with([](auto&) {}) == digests[0]);
}

TEST_CASE("a test of a silent upstream ends when it is stopped, and only so many are made at once")
{
    boost::asio::io_context io;
    boost::asio::ip::tcp::acceptor silent{io, {boost::asio::ip::address_v4::loopback(), 0}};
    Settings settings;
    settings.upstreams = {
        named("silent", "http://127.0.0.1:" + std::to_string(silent.local_endpoint().port()) + "/v1")};
    Routers router{settings};
    std::stop_source stop;
    std::vector<boost::asio::ip::tcp::socket> asked;  // open, and nothing is ever said on them
    std::vector<std::future<net::LocalReply>> tests;
    for (int i = 0; i < RouterControl::most_tests; ++i) {
        tests.push_back(std::async(std::launch::async, [&] {
            return router.control.answer({"POST", "/upstreams/test", R"({"id":"silent"})"}, stop.get_token());
        }));
        asked.push_back(silent.accept());
    }
    router.ask("/upstreams/test", {{"id", "silent"}});
    CHECK(router.code == 503);
    stop.request_stop();
    for (auto& test : tests) {
        const auto reply = test.get();
        CHECK(reply.status == 200);
        CHECK(boost::json::parse(reply.body).at("ok") == false);
    }
}

TEST_CASE("the socket of a router is named after its outbox")
{
    struct Row
    {
        const char* outbox;
        const char* socket;
    };
    const Row row = GENERATE(values<Row>({{"/var/lib/r/outbox.sqlite", "/var/lib/r/outbox.socket"},
                                          {"/r/a.db", "/r/a.db.socket"},
                                          {"/r/b", "/r/b.socket"},
                                          {"/r.sqlite/b", "/r.sqlite/b.socket"}}));
    StorageSettings settings;
    settings.outbox = row.outbox;
    CHECK(control_path(settings) == row.socket);
}

TEST_CASE("commands ask the router that runs here, if it uses their database")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", "sk-of-a-0123456789", "--name", "a", "--endpoint",
             "http://127.0.0.1:9/v1"});
    const auto absent = line({"status"});
    CHECK(absent.code == 1);
    const auto socket = (line.directory / "outbox.socket").string();
    CHECK(absent.err == "openai-api-route: no router answers here (there is no socket " + socket + ")\n");
    CHECK_THAT(line.ok({"explain", "--model", "m"}),
               ContainsSubstring("no router answers here (there is no socket " + socket +
                                 "): answered with this shell's environment\n"));

    Settings settings;
    settings.storage.outbox = (line.directory / "outbox.sqlite").string();
    settings.storage.sqlite = line.database_path();
    const storage::UpstreamsAndKeys known{line.database().upstreams(), line.database().client_keys()};
    Routers router{settings, known};
    router.control.start();
    rest(*router.routing, "a");
    CHECK_THAT(line.ok({"explain", "--model", "m"}), ContainsSubstring("a is in cooldown for ") &&
                                                         ContainsSubstring("answered by the running router"));
    CHECK(boost::json::parse(line.ok({"explain", "--model", "m", "--json"})).at("answered_by") == "router");
    rest(*router.routing, "a", "n");
    CHECK_THAT(line.ok({"explain", "--model", "n"}), ContainsSubstring("a is in cooldown for model n for "));
    CHECK_THAT(line.ok({"status"}), ContainsSubstring("in cooldown for model n"));
    CHECK_THAT(line.ok({"status"}), ContainsSubstring("17 bytes in memory, 3 in the outbox") &&
                                        ContainsSubstring("3 failures in a row"));
    CHECK(boost::json::parse(line.ok({"status", "--json"})).at("outbox_records") == 3);
    CHECK(line.ok({"status", "--healthy"}) == "ready\n");
    router.services.draining = true;
    const auto draining = line({"status", "--healthy"});
    CHECK(draining.code == 1);
    CHECK(draining.out == "draining\n");
    const auto missing = line({"upstream", "test", "nobody"});
    CHECK(missing.code == 1);
    CHECK(missing.err == "openai-api-route: there is no upstream nobody\n");

    const auto other = (line.directory / "other.sqlite").string();
    CHECK(line.run({"--config", line.config_path(), "--database", other, "upstream", "add", "--sk", "asis"})
              .code == 0);
    CHECK_THAT(line.run({"--config", line.config_path(), "--database", other, "explain", "--model", "m"}).out,
               ContainsSubstring("the router that runs here uses another database (" + line.database_path() +
                                 "): answered with this shell's environment"));
}

}  // namespace route::tests
