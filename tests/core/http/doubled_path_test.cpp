#include "core/http/doubled_path.hpp"

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("a path that is doubled says by what")
{
    struct Case
    {
        const char* path;
        const char* part;
    };
    for (const auto& [path, part] :
         {Case{"/v1/v1/chat/completions", "/v1"}, Case{"/v1/v1", "/v1"}, Case{"/v1/v1/", "/v1"},
          Case{"/v1/chat/completions/chat/completions", "chat/completions"},
          Case{"/v1/completions/completions", "completions"}, Case{"/v1/responses/responses", "responses"},
          Case{"/v1/messages/messages", "messages"}, Case{"/v1/embeddings/embeddings", "embeddings"},
          Case{"/chat/completions/chat/completions", "chat/completions"},
          Case{"/v1/chat/completions/completions", "completions"}}) {
        CAPTURE(path);
        CHECK_THAT(doubled_path(path), ContainsSubstring(std::string{path} + " has " + part + " twice: "));
    }
    for (const auto* path :
         {"/v1", "/v1/", "/v1/models", "/v1/v1beta/models", "/v1/chat/completions", "/v12/v1/x",
          "/v1/completions", "/v1/files/completions", "/v1/models/chat/completions", "/", ""}) {
        CAPTURE(path);
        CHECK(doubled_path(path).empty());
    }
}
