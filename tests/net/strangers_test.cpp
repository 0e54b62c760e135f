#include <memory>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// Connections on which no valid client key was shown, and how many descriptors they take.

namespace route::test {

namespace {

constexpr std::size_t most_strangers = 4;

std::vector<std::unique_ptr<TestClient>> connect(Stage& stage, std::size_t count)
{
    std::vector<std::unique_ptr<TestClient>> clients;
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(stage.connect());
        stage.settle();
    }
    return clients;
}

std::size_t open(const std::vector<std::unique_ptr<TestClient>>& clients)
{
    std::size_t count = 0;
    for (const auto& client : clients)
        count += client->closed_by_peer() ? 0 : 1;
    return count;
}

}  // namespace

TEST_CASE("of connections without a key those silent for longest make room for others")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.router().services().most_strangers = most_strangers;
    const auto known = stage.connect();
    known->send(chat_request());
    stage.run_until([&] { return known->replies().size() == 1; });
    const auto silent = connect(stage, 10);
    stage.run_until([&] { return open(silent) == most_strangers; });
    CHECK(silent.front()->closed_by_peer());
    CHECK_FALSE(silent.back()->closed_by_peer());
    CHECK(stage.ask(chat_request()).status() == 200);
    known->send(chat_request());
    stage.run_until([&] { return known->replies().size() == 2; });
    CHECK(known->replies()[1].status() == 200);
}

TEST_CASE("a connection that asks without a key is not the one silent for longest")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.router().services().most_strangers = most_strangers;
    const auto probe = stage.connect();
    const auto first = connect(stage, most_strangers - 1);
    probe->send(request_text("GET", "/healthz", ""));
    stage.run_until([&] { return probe->replies().size() == 1; });
    const auto second = connect(stage, most_strangers - 1);
    stage.run_until([&] { return open(first) == 0; });
    CHECK_FALSE(probe->closed_by_peer());
}

TEST_CASE("when as many are open as there are descriptors for, only those without a key make room")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.router().services().most_clients = 2;
    const auto first = stage.connect();
    const auto second = stage.connect();
    for (const auto* client : {first.get(), second.get()}) {
        const_cast<TestClient*>(client)->send(chat_request());
        stage.run_until([&] { return client->replies().size() == 1; });
    }
    const auto third = stage.connect();
    third->send(chat_request());
    stage.settle();
    CHECK(third->replies().empty());
    CHECK_FALSE(first->closed_by_peer());
    first->close();
    stage.run_until([&] { return third->replies().size() == 1; });
    CHECK(third->replies()[0].status() == 200);
}

}  // namespace route::test
