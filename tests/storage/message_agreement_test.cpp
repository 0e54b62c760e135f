#include "storage/message_agreement.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>
#include <vector>

#include "storage/open.hpp"
#include "tests/storage/databases.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;
using namespace std::chrono_literals;

namespace {

template <class Router>
bool add(Router&& router, const std::string& key, std::uint64_t count)
{
    return router.add({{key, count}});
}

template <class Router>
std::optional<MessageAgreement::Taken> take(Router&& router, const std::string& key,
                                            MessageAgreement::Milliseconds window, bool early)
{
    const auto taken = router.take({key}, window, early);
    if (!taken)
        return std::nullopt;
    REQUIRE(taken->size() == 1);
    return taken->front();
}

/// A database with the tables.
class AgreedDatabase : public PostgresDatabase
{
  public:
    AgreedDatabase() { open(); }

    /// Answers, however slow the machine.
    MessageAgreement router() const { return router({.call = 20s}); }
    MessageAgreement router(AgreementBounds bounds) const { return MessageAgreement{url(), bounds}; }

    /// Makes the window be one that ended so long ago.
    void end_window(const std::string& ago) const
    {
        execute("UPDATE openai_api_route_messages SET ends_at = clock_timestamp() - interval '" + ago + "'");
    }

    std::string keys() const
    {
        return execute(
                   "SELECT coalesce(string_agg(key, ' ' ORDER BY key), '') FROM openai_api_route_messages")
            [0][0]
                .c_str();
    }
};

/// Runs `ask(agreement)` on so many routers at once, and gives what they were told.
template <class F>
auto on_many_routers(const AgreedDatabase& database, int routers, F ask)
{
    std::vector<decltype(ask(std::declval<MessageAgreement&>()))> answers;
    std::mutex mutex;
    std::vector<std::jthread> threads;
    for (int i = 0; i < routers; ++i)
        threads.emplace_back([&] {
            auto router = database.router();
            auto answer = ask(router);
            const std::lock_guard lock{mutex};
            answers.push_back(std::move(answer));
        });
    threads.clear();
    return answers;
}

/// Takes connections and says nothing.
class SilentServer
{
  public:
    SilentServer() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(socket_, generic, size) == 0);
        REQUIRE(::listen(socket_, 5) == 0);
        REQUIRE(::getsockname(socket_, generic, &size) == 0);
        port_ = ntohs(address.sin_port);
    }
    ~SilentServer() { ::close(socket_); }
    SilentServer(const SilentServer&) = delete;
    SilentServer& operator=(const SilentServer&) = delete;

    std::string url() const { return "postgresql://127.0.0.1:" + std::to_string(port_) + "/d"; }

  private:
    int socket_;
    int port_ = 0;
};

template <class F>
std::chrono::steady_clock::duration duration_of(F&& function)
{
    const auto begun = std::chrono::steady_clock::now();
    function();
    return std::chrono::steady_clock::now() - begun;
}

}  // namespace

TEST_CASE("of many routers one opens the window, and the others know when it ends")
{
    const AgreedDatabase database;
    const auto answers = on_many_routers(database, 8, [](auto& router) { return router.begin("k", 60s); });
    int mine = 0;
    for (const auto& answer : answers) {
        REQUIRE(answer);
        mine += answer->mine ? 1 : 0;
        if (!answer->mine) {
            CHECK(answer->left > 30s);
            CHECK(answer->left <= 60s);
        }
    }
    CHECK(mine == 1);
    CHECK(database.router().begin("another", 60s)->mine);
}

TEST_CASE("what all routers counted is taken once the window has ended, by one of them")
{
    const AgreedDatabase database;
    REQUIRE(database.router().begin("k", 1ms)->mine);
    on_many_routers(database, 8, [](auto& router) { return add(router, "k", 3); });
    const auto answers =
        on_many_routers(database, 8, [](auto& router) { return take(router, "k", 60s, false); });
    std::vector<std::uint64_t> counts;
    for (const auto& answer : answers) {
        REQUIRE(answer);
        if (answer->count > 0)
            counts.push_back(answer->count);
        CHECK(answer->left > 30s);
        CHECK(answer->left <= 60s);
    }
    CHECK(counts == std::vector<std::uint64_t>{24});
}

TEST_CASE("nothing is taken from a window that is open, unless it must be early")
{
    const AgreedDatabase database;
    auto one = database.router();
    auto other = database.router();
    REQUIRE(one.begin("k", 60s)->mine);
    REQUIRE(add(other, "k", 2));
    const auto waiting = take(one, "k", 90s, false);
    CHECK(waiting->count == 0);
    CHECK(waiting->left > 30s);
    CHECK(waiting->left <= 60s);
    const auto early = take(one, "k", 90s, true);
    CHECK(early->count == 2);
    CHECK(early->left == 90s);
    // The other one's window goes on: this is no reason for the next failure to be told at once.
    const auto late = take(other, "k", 90s, true);
    CHECK(late->count == 0);
    CHECK(late->left > 60s);
    CHECK_FALSE(other.begin("k", 60s)->mine);
}

TEST_CASE("a window in which nothing was counted is closed, and the next one is anybody's")
{
    const AgreedDatabase database;
    auto one = database.router();
    auto other = database.router();
    REQUIRE(one.begin("k", 60s)->mine);
    database.end_window("1 second");
    // What was counted in it may be on its way.
    const auto ended = other.begin("k", 60s);
    CHECK_FALSE(ended->mine);
    CHECK(ended->left == 1s);
    REQUIRE(add(one, "k", 0));
    const auto taken = take(one, "k", 60s, false);
    CHECK(taken->count == 0);
    CHECK(taken->left == 0s);
    CHECK(database.keys().empty());
    CHECK(take(other, "k", 60s, false)->left == 0s);
    CHECK(other.begin("k", 60s)->mine);
}

TEST_CASE("a window that those who counted in it have left is opened anew, and keeps what they counted")
{
    const AgreedDatabase database;
    auto router = database.router();
    REQUIRE(database.router().begin("k", 60s)->mine);
    REQUIRE(add(database.router(), "k", 5));
    database.end_window("31 seconds");
    CHECK(router.begin("k", 60s)->mine);
    REQUIRE(add(router, "k", 1));
    CHECK(take(router, "k", 60s, false)->count == 0);
    CHECK(take(router, "k", 60s, true)->count == 6);
}

TEST_CASE("what is counted without a window can be taken at once")
{
    const AgreedDatabase database;
    REQUIRE(add(database.router(), "k", 7));
    const auto taken = take(database.router(), "k", 60s, false);
    CHECK(taken->count == 7);
    CHECK(taken->left == 60s);
}

TEST_CASE("windows of a day ago are deleted")
{
    const AgreedDatabase database;
    database.execute(
        "INSERT INTO openai_api_route_messages VALUES ('old', now() - interval '25 hours', 1),"
        " ('young', now() - interval '23 hours', 1)");
    auto router = database.router();
    REQUIRE(router.begin("k", 60s));
    CHECK(database.keys() == "k young");
    database.end_window("2 days");
    REQUIRE(router.begin("k", 60s));
    CHECK(database.keys() == "k young");  // that is looked after once an hour
}

TEST_CASE("a database that is away gives no answer, and is not waited for each time")
{
    const SilentServer silent;
    const auto refused = GENERATE(false, true);
    MessageAgreement router{refused ? "postgresql://127.0.0.1:1/d" : silent.url() + "?connect_timeout=6",
                            {.call = 1s, .retry = 3600s}};
    CHECK(duration_of([&] { CHECK_FALSE(router.begin("k", 60s)); }) < 4s);
    CHECK(duration_of([&] {
              CHECK_FALSE(add(router, "k", 1));
              CHECK_FALSE(take(router, "k", 60s, false));
              CHECK_FALSE(router.begin("k", 60s));
          }) < 1s);  // what each would wait
}

TEST_CASE("a URL that is none, a table that is missing or locked give no answer")
{
    const AgreedDatabase database;
    CHECK_FALSE(MessageAgreement{"postgresql://[", {}}.begin("k", 60s));
    {
        auto router = database.router({.call = 400ms, .retry = 0ms});
        PostgresConnection other{database.url()};
        pqxx::work work{other.get()};
        work.exec("LOCK TABLE openai_api_route_messages");
        CHECK(duration_of([&] { CHECK_FALSE(router.begin("k", 60s)); }) < 10s);
    }
    auto router = database.router({.call = 20s, .retry = 0ms});
    CHECK(router.begin("k", 60s)->mine);
    database.execute("ALTER TABLE openai_api_route_messages RENAME TO elsewhere");
    CHECK_FALSE(router.begin("k", 60s));
    CHECK_FALSE(add(router, "k", 1));
    CHECK_FALSE(take(router, "k", 60s, true));
    database.execute("ALTER TABLE elsewhere RENAME TO openai_api_route_messages");
    CHECK_FALSE(router.begin("k", 60s)->mine);
}

TEST_CASE("a connection that has ended meanwhile is made anew by the call that needs it")
{
    const AgreedDatabase database;
    auto router = database.router();
    REQUIRE(router.begin("k", 60s)->mine);
    database.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name = current_setting('application_name')");
    CHECK(add(router, "k", 1));
    CHECK(take(router, "k", 60s, true)->count == 1);
}

TEST_CASE("many windows are one question")
{
    const AgreedDatabase database;
    auto router = database.router();
    CHECK(router.begin("open", 60s)->mine);
    CHECK(router.add({{"a\"b\\c", 3}, {"open", 2}, {"empty", 0}, {"{,}", 4}}));
    const auto taken = router.take({"empty", "{,}", "open", "a\"b\\c", "unknown"}, 90s, false);
    REQUIRE(taken);
    REQUIRE(taken->size() == 5);
    CHECK(taken->at(0).count == 0);
    CHECK(taken->at(0).left == 0s);
    CHECK(taken->at(1).count == 4);
    CHECK(taken->at(1).left == 90s);
    CHECK(taken->at(2).count == 0);
    CHECK(taken->at(2).left > 50s);
    CHECK(taken->at(3).count == 3);
    CHECK(taken->at(4).left == 0s);
    CHECK(database.keys() == "a\"b\\c open {,}");
}

TEST_CASE("what one has said since is not said by another")
{
    const AgreedDatabase database;
    auto a = database.router();
    auto b = database.router();
    CHECK(a.first_to_say("k", 60s) == true);
    CHECK(b.first_to_say("k", 60s) == false);
    CHECK(b.first_to_say("other", 60s) == true);
    database.end_window("70 seconds");
    CHECK(b.first_to_say("k", 80s) == false);
    CHECK(b.first_to_say("k", 60s) == true);
    CHECK(a.first_to_say("k", 60s) == false);
}

TEST_CASE("a role that may use the table and make none is enough")
{
    const AgreedDatabase database;
    const auto name = database.execute("SELECT current_schema() || '_user'")[0][0].as<std::string>();
    database.execute("CREATE ROLE " + name + "; GRANT USAGE ON SCHEMA " + name.substr(0, name.size() - 5) +
                     " TO " + name +
                     "; GRANT SELECT, INSERT, UPDATE, DELETE ON openai_api_route_messages TO " + name);
    {
        MessageAgreement router{database.url() + "%20-c%20role%3D" + name, {.call = 20s}};
        CHECK(router.begin("k", 60s)->mine);
        CHECK(add(router, "k", 1));
        CHECK(take(router, "k", 60s, true)->count == 1);
        database.execute("REVOKE ALL ON openai_api_route_messages FROM " + name);
        CHECK_FALSE(router.begin("k", 60s));
    }
    database.execute("DROP OWNED BY " + name + "; DROP ROLE " + name);
}

TEST_CASE("only routers that can share a database agree")
{
    StorageSettings settings;
    CHECK_FALSE(message_agreement(settings));
    settings.backend = Backend::none;
    CHECK_FALSE(message_agreement(settings));
    settings.backend = Backend::postgres;
    CHECK(message_agreement(settings));
    settings.postgres_connections = least_postgres_connections;
    CHECK_FALSE(message_agreement(settings));
}
