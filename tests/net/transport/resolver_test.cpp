#include "core/net/transport/resolver.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/scripted_names.hpp"

// Names of upstreams as requests meet them.

namespace route::test {

namespace {

void name_first(Stage& stage, const std::string& host)
{
    stage.change([&](auto& definitions) {
        definitions[0].endpoint = "http://" + host + ":" + std::to_string(stage.first().port()) + "/v1";
    });
}

const Script answers_and_closes = script::raw_then_half_close(
    reply_text(200, {{"Content-Type", "application/json"}, {"Connection", "close"}}, chat_reply("hello")));

}  // namespace

TEST_CASE("event loops share a look-up and keep its answer")
{
    ScriptedNames names;
    net::NameDirectory directory{names.look_up()};
    boost::asio::io_context one_io;
    boost::asio::io_context other_io;
    net::Resolver one{one_io, directory};
    net::Resolver other{other_io, directory};
    const auto first = one.ask("name");
    CHECK(one.ask("name") == first);
    const auto second = other.ask("name");
    CHECK_FALSE(first->done);
    names.answer("name", "192.0.2.1");
    const auto work_one = boost::asio::make_work_guard(one_io);
    const auto work_other = boost::asio::make_work_guard(other_io);
    CHECK(one_io.run_one_for(std::chrono::seconds{10}) == 1);
    CHECK(other_io.run_one_for(std::chrono::seconds{10}) == 1);
    CHECK(first->done);
    CHECK(second->done);
    CHECK(one.ask("name") == first);
    CHECK(names.asked("name") == 1);
    boost::asio::io_context third_io;
    net::Resolver third{third_io, directory};
    CHECK(third.ask("name")->done);
    CHECK(names.asked("name") == 1);
}

TEST_CASE("an address is not looked up")
{
    ScriptedNames names;
    net::NameDirectory directory{names.look_up()};
    boost::asio::io_context io;
    net::Resolver resolver{io, directory};
    const auto* address = GENERATE("127.0.0.1", "::1");
    const auto question = resolver.ask(address);
    CHECK(question->done);
    CHECK(question->answer.addresses.at(0).to_string() == address);
    CHECK(names.asked(address) == 0);
}

TEST_CASE("an answer that finds its event loop gone is dropped")
{
    ScriptedNames names;
    net::NameDirectory directory{names.look_up()};
    {
        boost::asio::io_context io;
        net::Resolver resolver{io, directory};
        resolver.ask("name");
    }
    names.answer("name", "192.0.2.1");
    CHECK(names.wait_until_over());
}

TEST_CASE("requests of one name wait for one look-up")
{
    ScriptedNames names;
    Stage stage{{script::chat_reply("hello")}, patient_settings(), names.look_up()};
    name_first(stage, "name.test");
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int count = 0; count < 5; ++count) {
        clients.push_back(stage.connect());
        clients.back()->send(chat_request());
    }
    stage.run_until([&] { return names.asked("name.test") > 0; });
    stage.settle();
    names.answer("name.test", "127.0.0.1");
    for (const auto& client : clients) {
        stage.run_until([&] { return client->replies().size() == 1; });
        CHECK(client->replies()[0].body() == chat_reply("hello"));
    }
    CHECK(names.asked("name.test") == 1);
}

TEST_CASE("a name that hangs fails over within connect; its late answer serves the next request")
{
    Settings settings = patient_settings();
    settings.timeouts.connect = Seconds{0.2};
    ScriptedNames names;
    Stage stage{
        {script::chat_reply("hello"), script::chat_reply("from the second")}, settings, names.look_up()};
    name_first(stage, "name.test");
    CHECK(stage.ask(chat_request()).body() == chat_reply("from the second"));
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == AttemptOutcome::timeout);
    CHECK_THAT(attempt.error, ContainsSubstring("name not resolved in time"));
    names.answer("name.test", "127.0.0.1");
    CHECK(names.wait_until_over());
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(names.asked("name.test") == 1);
}

TEST_CASE("a name that is not found fails over and says so")
{
    ScriptedNames names;
    Stage stage{
        {script::chat_reply("never"), script::chat_reply("hello")}, patient_settings(), names.look_up()};
    name_first(stage, "name.test");
    names.answer("name.test", not_found());
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == AttemptOutcome::connect);
    CHECK_THAT(attempt.error, ContainsSubstring("name or service not known"));
}

TEST_CASE("a client that leaves while a name is looked up ends its request")
{
    ScriptedNames names;
    Stage stage{{script::chat_reply("never")}, patient_settings(), names.look_up()};
    name_first(stage, "name.test");
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return names.asked("name.test") == 1; });
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
}

TEST_CASE("the addresses of a name are tried in turn, whatever the earlier ones said")
{
    ScriptedNames names;
    const std::string reply = reply_text(200, json_headers, chat_reply("hello"));
    Stage stage{{{step::read_request(), step::send_split(reply, {20, reply.size() - 5}), step::again()}},
                patient_settings(),
                names.look_up()};
    name_first(stage, "name.test");
    // Nobody listens there: the fake is on 127.0.0.1 only.
    const std::string dead = GENERATE("127.0.0.2", "::1");
    net::FoundAddresses both = found(dead);
    both.addresses.push_back(boost::asio::ip::make_address("127.0.0.1"));
    names.answer("name.test", both);
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(stage.record().attempts.size() == 1);
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::ok);
}

TEST_CASE("a connection made anew does not look up a name that is known")
{
    ScriptedNames names;
    Stage stage{{answers_and_closes}, patient_settings(), names.look_up()};
    name_first(stage, "name.test");
    names.answer("name.test", "127.0.0.1");
    for (int count = 0; count < 3; ++count) {
        CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    }
    CHECK(stage.first().connections() == 3);
    CHECK(names.asked("name.test") == 1);
}

TEST_CASE("a router is taken down while a request waits for a name")
{
    ScriptedNames names;
    {
        Stage stage{{script::chat_reply("never")}, patient_settings(), names.look_up()};
        name_first(stage, "name.test");
        const auto client = stage.connect();
        client->send(chat_request());
        stage.run_until([&] { return names.asked("name.test") == 1; });
    }
    names.answer("name.test", "127.0.0.1");
    CHECK(names.wait_until_over());
}

TEST_CASE("event loops that are stopped end although look-ups are under way")
{
    struct NoRecords final : RecordSink
    {
        void take(std::unique_ptr<QueuedRecord> queued) override
        {
            if (queued->stored)
                queued->stored();
        }
        bool has_room() const override { return true; }
        void dropped(std::unique_ptr<QueuedRecord>) override {}
    };
    ScriptedNames names;
    NoRecords sink;
    net::Services services{sink, names.look_up()};
    auto table = std::make_shared<net::RoutingTable>();
    table->settings = patient_settings();
    table->settings.auth.enabled = false;
    table->tls = net::TlsClient::make("").value();
    auto named = definition(1, "first", 9);
    named.endpoint = "http://name.test:9";
    const SecretResolver plain = [](std::string_view text) -> Result<std::string> {
        return {boost::system::in_place_value, std::string{text}};
    };
    net::add_upstream(*table, make_upstream(named, plain, nullptr).value());
    auto server = net::Server::listen(services, table, {"127.0.0.1", 0}, 2).value();
    server->start();
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket client{io};
    client.connect(server->endpoint());
    boost::asio::write(client, boost::asio::buffer(chat_request()));
    REQUIRE(names.wait_until_asked("name.test"));
    server->stop();
    server->join();
    CHECK(services.open_sessions == 0);
    server.reset();
    names.answer("name.test", "127.0.0.1");
    CHECK(names.wait_until_over());
}

}  // namespace route::test
