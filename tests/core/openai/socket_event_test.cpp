#include "core/openai/socket_event.hpp"

#include <string>
#include <vector>

#include "core/openai/request_facts.hpp"
#include "tests/core/openai/scripted_socket.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;

TEST_CASE("the facts of a message are found in its beginning, and where they count in all of it")
{
    const auto read = [](const std::vector<std::string>& pieces) {
        SocketEventReader reader;
        reader.begin();
        for (const auto& piece : pieces)
            reader.write(piece);
        return reader.facts();
    };
    const auto padding = R"(,"padding":")" + std::string(SocketEventReader::beginning, ' ') + "\"";
    CHECK(read({R"({"type":"a","type":"b"})"}).type == "b");
    CHECK(read({R"({"ty)", R"(pe":"respon)", R"(se.create","mod)", R"(el":"m"})"}).model == "m");
    CHECK(read({R"({"t\u0079pe":"\u0061"})"}).type == "a");
    CHECK(read({R"({"item":{"type":"x","model":"y"},"list":[{"type":"z"}],"type":7})"}).type.empty());
    CHECK(read({R"({"first":1)" + padding + R"(,"type":"late"})"}).type.empty());
    CHECK(read({R"({"type":"other")" + padding + R"(,"model":"late"})"}).model.empty());
    CHECK(read({R"({"type":"response.create")" + padding + R"(,"model":"late"})"}).model == "late");
    CHECK(read({R"({"type":"response.done","response":{"x":{"id":"no"})" + padding +
                R"(,"id":"r","status":"failed","status_details":{"error":{"message":"why"}}}})"})
              .error_message == "why");
    const auto long_name = std::string(2 * max_model_name, 'm');
    CHECK(read({R"({"type":"response.create","model":")" + long_name + "\"}"}).model.size() ==
          max_model_name);
    CHECK(read({R"({"type":"x","event_id":")" + std::string(5000, 'e') + "\"}"}).event_id.size() <= 256);
    CHECK(read({repeat("[", 10'000)}).type.empty());
    CHECK(read({R"({"type":"x"})", R"({"type":"y"})"}).type == "x");
}
