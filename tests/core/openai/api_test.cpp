#include "core/openai/api.hpp"

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("the API is known by method and path")
{
    struct Row
    {
        std::string_view method;
        std::string_view path;
        Api api;
    };
    const Row table[]{
        {"POST", "/v1/chat/completions", Api::chat_completions},
        {"POST", "/v1/chat/completions/", Api::chat_completions},
        {"POST", "/v1/completions", Api::completions},
        {"POST", "/v1/responses", Api::responses},
        {"POST", "/v1/messages", Api::messages},
        {"POST", "/v1/embeddings", Api::embeddings},
        {"POST", "/v1/images/generations", Api::images},
        {"POST", "/v1/images/edits", Api::images},
        {"POST", "/v1/images/variations", Api::images},
        {"POST", "/v1/audio/speech", Api::audio_speech},
        {"POST", "/v1/audio/transcriptions", Api::audio_transcriptions},
        {"POST", "/v1/audio/translations", Api::audio_transcriptions},
        {"POST", "/v1/moderations", Api::moderations},
        {"POST", "/v1/rerank", Api::rerank},
        {"POST", "/openai/v1/responses", Api::responses},
        {"POST", "/openai/deployments/gpt-4o/chat/completions", Api::chat_completions},
        {"POST", "/openai/deployments/gpt-4o", Api::other},
        {"GET", "/v1/chat/completions", Api::other},
        {"GET", "/v1/responses", Api::other},
        {"DELETE", "/v1/responses", Api::other},
        {"POST", "/v1/responses/resp_1/cancel", Api::other},
        {"POST", "/v1/messages/count_tokens", Api::other},
        {"POST", "/v1/files", Api::other},
        {"POST", "/v1/batches", Api::other},
        {"POST", "/v1/threads/t/messages", Api::other},
        {"POST", "/v1", Api::other},
        {"POST", "/v1/", Api::other},
        {"POST", "/chat/completions", Api::other},
        {"POST", "", Api::other},
    };
    for (const auto& row : table) {
        CAPTURE(row.method, row.path);
        CHECK(api_of(row.method, row.path) == row.api);
        CHECK(answers(row.api) == (row.api != Api::other));
    }
}
