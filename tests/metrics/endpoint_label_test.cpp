#include "metrics/endpoint_label.hpp"

#include <set>
#include <string>

#include "tests/support/catch.hpp"

using namespace route::metrics;

TEST_CASE("known paths have a label, whatever their ids are")
{
    const std::pair<const char*, const char*> rows[] = {
        {"/v1/chat/completions", "/v1/chat/completions"},
        {"/v1/chat/completions/chatcmpl-1", "/v1/chat/completions/:id"},
        {"/v1/embeddings", "/v1/embeddings"},
        {"/v1/models", "/v1/models"},
        {"/v1/models/gpt-4o", "/v1/models/:model"},
        {"/v1/responses", "/v1/responses"},
        {"/v1/responses/compact", "/v1/responses/compact"},
        {"/v1/responses/resp_1", "/v1/responses/:id"},
        {"/v1/responses/resp_1/cancel", "/v1/responses/:id/cancel"},
        {"/v1/messages", "/v1/messages"},
        {"/v1/messages/count_tokens", "/v1/messages/count_tokens"},
        {"/v1/messages/batches/b", "/v1/messages/batches/:id"},
        {"/v1/files/f-1/content", "/v1/files/:id/content"},
        {"/v1/threads/runs", "/v1/threads/runs"},
        {"/v1/threads/t/runs/r/steps/s", "/v1/threads/:id/runs/:run/steps/:step"},
        {"/v1/realtime", "/v1/realtime"},
        {"/v1/rerank", "/v1/rerank"},
        {"/v1/models/", "other"},
        {"/v1/models/a/b", "other"},
        {"/v1/models//", "other"},
        {"/v1/chat/completions/", "other"},
        {"/v1/chat", "other"},
        {"/v1/files/:id/contents", "other"},
        {"/V1/models", "other"},
        {"/v1", "other"},
        {"/", "other"},
        {"", "other"},
        {"v1/models", "other"},
        {"other", "other"},
    };
    for (const auto& [path, label] : rows) {
        CAPTURE(path);
        CHECK(endpoint_label(endpoint_index(path)) == label);
    }
}

TEST_CASE("every label is its own path")
{
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < endpoint_labels(); ++i) {
        const auto label = endpoint_label(i);
        CAPTURE(label);
        CHECK(seen.insert(label).second);
        if (i > 0)
            CHECK(endpoint_index(label) == i);
    }
    CHECK(endpoint_label(endpoint_labels()) == "other");
}
