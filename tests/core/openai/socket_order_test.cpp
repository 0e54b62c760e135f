// Which response an event of the server belongs to, and which question a response answers, where only their
// order tells.
#include <string>

#include "core/openai/open_responses.hpp"
#include "core/openai/socket_responses.hpp"
#include "tests/core/openai/scripted_socket.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;
using End = SocketResponse::End;

TEST_CASE("responses of the same id are told apart where one follows the other")
{
    const std::string begun = R"({"type":"response.created","response":{"id":"resp_same"}})";
    const std::string late =
        R"({"type":"response.output_text.done","response_id":"resp_same","text":"late"})";
    const auto text = [](const std::string& delta) {
        return R"({"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":")" +
               delta + "\"}";
    };
    const std::string completed =
        R"({"type":"response.completed","response":{"id":"resp_same","status":"completed","usage":{"total_tokens":7}}})";
    ScriptedSocket socket{SocketApi::responses};
    for (const auto* const name : {"a", "b", "c"})
        socket.client(create).server(begun).server(text(name)).server(completed).server(late);
    CHECK(socket.open() == 0);
    // Asked for at once, and begun by the server alone.
    socket.client(create).client(create);
    for (const auto* const name : {"d", "e", "f"})
        socket.server(begun).server(text(name)).server(completed);
    CHECK(socket.open() == 0);
    // One that never ends does not take what the next one says.
    socket.client(create).server(begun).server(text("g"));
    socket.client(create).server(begun).server(text("h")).server(completed);
    REQUIRE(socket.finish().size() == 8);
    const std::string names{"abcdefhg"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        CAPTURE(i);
        CHECK(socket.ended[i].id == "resp_same");
        CHECK(socket.ended[i].summary.text == names.substr(i, 1));
        CHECK(socket.ended[i].end == (names[i] == 'g' ? End::broken_off : End::completed));
        CHECK(socket.ended[i].asked == (names[i] == 'f' ? "" : create));
    }
}

TEST_CASE("what is asked for at once is answered in its order, and has its own question or none")
{
    const auto ask = [](int i) {
        return R"({"type":"response.create","event_id":"e)" + std::to_string(i) + R"(","model":"m)" +
               std::to_string(i) + "\"}";
    };
    constexpr int asked = 20;
    constexpr int kept = OpenResponses::most;
    ScriptedSocket socket{SocketApi::responses};
    for (int i = 0; i < asked; ++i)
        socket.client(ask(i));
    CHECK(socket.open() == kept);
    const auto answer = [&](int i) {
        const auto id = "r" + std::to_string(i);
        socket.server(R"({"type":"response.created","response":{"id":")" + id + R"(","model":"replied"}})")
            .server(R"({"type":"response.completed","response":{"id":")" + id +
                    R"(","status":"completed"}})");
    };
    for (int i = 0; i < kept + 2; ++i)
        answer(i);
    // Those before it are not answered yet.
    socket.client(ask(asked)).client(R"({"type":"response.processed"})");
    for (int i = kept + 2; i <= asked; ++i)
        answer(i);
    CHECK(socket.open() == 0);
    socket.client(ask(asked + 1));
    answer(asked + 1);
    REQUIRE(socket.finish().size() == asked + 2);
    for (int i = 0; i <= asked; ++i) {
        CAPTURE(i);
        CHECK(socket.ended[i].id == "r" + std::to_string(i));
        CHECK(socket.ended[i].end == End::completed);
        CHECK(socket.ended[i].asked == (i < kept ? ask(i) : ""));
        CHECK(socket.ended[i].asked_for == (i < kept));
        CHECK(socket.ended[i].model == (i < kept ? "m" + std::to_string(i) : "replied"));
    }
    CHECK(socket.ended.back().asked == R"({"type":"response.processed"})"
                                       "\n" +
                                           ask(asked + 1));
}

TEST_CASE("an error answers what was asked for and is forgotten")
{
    const auto ask = [](int i) {
        return R"({"type":"response.create","event_id":"e)" + std::to_string(i) + "\"}";
    };
    constexpr int asked = OpenResponses::most + 2;
    for (const auto api : {SocketApi::realtime, SocketApi::responses}) {
        CAPTURE(api);
        ScriptedSocket socket{api};
        for (int i = 0; i < asked; ++i)
            socket.client(ask(i));
        // Refused, in the order of the requests or before others are begun.
        const bool named = api == SocketApi::realtime;
        for (int i = asked - 1; i >= 0; --i)
            socket.server(R"({"type":"error","error":{"message":"no","event_id":)" +
                          (named ? "\"e" + std::to_string(i) + "\"" : std::string{"null"}) + "}}");
        CHECK(socket.open() == 0);
        CHECK(socket.ended.size() == asked);
        for (const auto& response : socket.ended)
            CHECK(response.end == End::failed);
        CHECK(socket.ended[named ? 0 : asked - 1].asked.empty());
        socket.client(ask(asked)).server(created("r")).server(done("r"));
        REQUIRE(socket.finish().size() == asked + 1);
        CHECK(socket.ended.back().asked == ask(asked));
        CHECK(socket.ended.back().end == End::completed);
    }
}

TEST_CASE("an error without the id of a message fails a response only if the server does not begin it")
{
    constexpr auto commit = R"({"type":"input_audio_buffer.commit"})";
    constexpr auto error = R"({"type":"error","error":{"message":"buffer too small","event_id":null}})";
    constexpr auto named = R"({"type":"error","error":{"message":"no such voice","event_id":"one"}})";
    constexpr auto first = R"({"type":"response.create","event_id":"one"})";

    ScriptedSocket begun{SocketApi::realtime};
    begun.client(commit).client(first).server(error);
    CHECK(begun.open() == 1);
    begun.server(created("a")).server(transcript("a", "Hi")).client(create).server(done("a"));
    REQUIRE(begun.ended.size() == 1);
    CHECK(begun.ended[0].end == End::completed);
    CHECK(begun.ended[0].error.empty());
    CHECK(begun.ended[0].summary.text == "Hi");

    ScriptedSocket gone{SocketApi::realtime};
    gone.client(first).server(error).server(error);
    REQUIRE(gone.finish().size() == 1);
    CHECK(gone.ended[0].end == End::failed);
    CHECK(gone.ended[0].error == "buffer too small");
    CHECK(gone.ended[0].reply_bytes == std::string_view{error}.size());
    CHECK(gone.ended[0].ended == ScriptedSocket::time(2));

    ScriptedSocket again{SocketApi::realtime};
    again.client(first).server(error).client(create);
    CHECK(again.open() == 1);
    REQUIRE(again.ended.size() == 1);
    CHECK(again.ended[0].end == End::failed);
    CHECK(again.ended[0].error == "buffer too small");
    CHECK(again.ended[0].ended == ScriptedSocket::time(2));
    CHECK(again.ended[0].first_message == ScriptedSocket::time(2));
    again.server(created("b")).server(done("b"));
    REQUIRE(again.finish().size() == 2);
    CHECK(again.ended[1].end == End::completed);

    ScriptedSocket told{SocketApi::realtime};
    told.client(first).server(error).server(named);
    CHECK(told.open() == 0);
    REQUIRE(told.finish().size() == 1);
    CHECK(told.ended[0].error == "no such voice");
    CHECK(told.ended[0].first_message == ScriptedSocket::time(3));

    ScriptedSocket displaced{SocketApi::realtime};
    displaced.client(first).server(error);
    for (std::size_t i = 0; i < OpenResponses::most; ++i)
        displaced.client(create);
    REQUIRE(displaced.ended.size() == 1);
    CHECK(displaced.ended[0].error == "buffer too small");

    // Each of several fails by an error of its own.
    ScriptedSocket several{SocketApi::realtime};
    several.client(first).client(create).server(error).server(error);
    REQUIRE(several.finish().size() == 2);
    CHECK(several.ended[0].end == End::failed);
    CHECK(several.ended[1].end == End::failed);
}

TEST_CASE("late events of responses that have ended begin none and answer none")
{
    ScriptedSocket socket{SocketApi::realtime};
    constexpr int before = 10;
    for (int i = 0; i < before; ++i)
        socket.server(created("r" + std::to_string(i))).server(done("r" + std::to_string(i)));
    socket.client(create);
    for (int i = 0; i < before; ++i)
        socket.server(transcript("r" + std::to_string(i), "late")).server(done("r" + std::to_string(i)));
    CHECK(socket.open() == 1);
    socket.server(created("mine")).server(transcript("mine", "Hi")).server(done("mine"));
    REQUIRE(socket.finish().size() == before + 1);
    CHECK(socket.ended.back().id == "mine");
    CHECK(socket.ended.back().summary.text == "Hi");
}
