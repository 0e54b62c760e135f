// How many responses are open over one WebSocket, and how much is held for them.
#include <string>

#include "core/openai/open_responses.hpp"
#include "core/openai/socket_responses.hpp"
#include "tests/core/openai/scripted_socket.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;
using End = SocketResponse::End;

TEST_CASE("so many responses are open at once, and no more")
{
    ScriptedSocket socket{SocketApi::realtime};
    for (std::size_t i = 0; i < OpenResponses::most + 3; ++i)
        socket.server(created("r" + std::to_string(i))).server(transcript("r" + std::to_string(i), "Hi"));
    CHECK(socket.open() == OpenResponses::most);
    REQUIRE(socket.ended.size() == 3);
    CHECK(socket.ended[0].id == "r0");
    CHECK(socket.ended[0].end == End::displaced);
    CHECK(socket.ended[0].summary.text == "Hi");
    socket.server(transcript("r0", "late"));
    CHECK(socket.finish().size() == OpenResponses::most + 3);
    CHECK(socket.ended.back().end == End::broken_off);
    CHECK(socket.ended.back().summary.text == "Hi");
}

TEST_CASE("what is held is told")
{
    constexpr std::size_t most = 10'000;
    const auto large = repeat("all work and no play ", 1000);
    ScriptedSocket socket{SocketApi::realtime, "", {most, most}};
    CHECK(socket.held() < 100);
    const std::string item = R"({"type":"conversation.item.create","item":")" + large.substr(0, 4000) + "\"}";
    socket.client(item);
    CHECK(socket.held() >= item.size());
    CHECK(socket.held() < 2 * item.size());
    socket.client(R"({"type":"conversation.item.create","item":")" + large + "\"}");
    CHECK(socket.held() >= most);
    CHECK(socket.held() < 2 * most);
    socket.client(create);
    CHECK(socket.held() >= most);
    CHECK(socket.held() < 3 * most);
    const auto asked = socket.held();
    socket.server(created("a"));
    socket.server(transcript("a", large.substr(0, 4000)));
    CHECK(socket.held() >= asked + 4000);
    CHECK(socket.held() < asked + 5000);
    socket.server(transcript("a", large)).server(transcript("a", large));
    CHECK(socket.held() == asked + 2 * most);
    socket.server(done("a"));
    CHECK(socket.held() < 100);
}

TEST_CASE("of a message that comes in parts, what is held is told")
{
    constexpr std::size_t most = 10'000;
    SocketResponses reader{SocketApi::responses, "", {most, most}};
    const auto ignore = [](const SocketResponse&) {};
    const std::string ask = R"({"type":"response.create","input":")" + repeat("x", 3000);
    reader.from_client({{}, ask, SseEvent::Part::beginning}, {}, ignore);
    CHECK(reader.held() >= ask.size());
    CHECK(reader.held() < 2 * ask.size());
    reader.from_client({{}, repeat("x", 2 * most), SseEvent::Part::middle}, {}, ignore);
    CHECK(reader.held() >= most);
    CHECK(reader.held() < 2 * most);
}

TEST_CASE("what a client asks for makes no more responses than may be open, until the server speaks")
{
    for (const auto api : {SocketApi::realtime, SocketApi::responses}) {
        ScriptedSocket socket{api};
        for (int i = 0; i < 1000; ++i)
            socket.client(create);
        CHECK(socket.open() == OpenResponses::most);
        CHECK(socket.ended.empty());
        CHECK(socket.finish().size() == OpenResponses::most);
    }
}

TEST_CASE("what the server has not spoken of is not displaced")
{
    ScriptedSocket socket{SocketApi::realtime};
    socket.client(R"({"type":"response.create","event_id":"first"})");
    socket.client(R"({"type":"response.create","event_id":"second"})");
    for (std::size_t i = 0; i < OpenResponses::most + 1; ++i)
        socket.client(create).server(created("r" + std::to_string(i)));
    CHECK(socket.open() == OpenResponses::most);
    REQUIRE(socket.ended.size() == 3);
    CHECK(socket.ended[0].id == "r0");
    CHECK(socket.ended[0].asked.find("first") != std::string::npos);
    CHECK(socket.ended[1].asked.find("second") != std::string::npos);
    for (const auto& response : socket.ended)
        CHECK(response.end == End::displaced);
}
