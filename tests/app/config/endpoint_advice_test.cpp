#include "app/config/endpoint_advice.hpp"

#include "tests/support/catch.hpp"

namespace route {
namespace {

TEST_CASE("an endpoint that ends with the path of an API is mended")
{
    struct Row
    {
        const char* endpoint;
        const char* mended;
    };
    const Row row = GENERATE(values<Row>({
        {"https://host/v1/chat/completions", "https://host/v1"},
        {"https://host/v1/chat/completions/", "https://host/v1"},
        {"http://host:8080/v1/completions", "http://host:8080/v1"},
        {"https://host/v1/responses", "https://host/v1"},
        {"https://host/v1/embeddings", "https://host/v1"},
        {"https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1"},
        {"https://host/api/paas/v4/models", "https://host/api/paas/v4"},
        {"https://host/v1", nullptr},
        {"https://host", nullptr},
        {"https://host/models/v1", nullptr},
        {"https://host/openai/deployments/completions-1", nullptr},
        {"ftp://host/v1/models", nullptr},
    }));
    INFO(row.endpoint);
    CHECK(endpoint_without_api(row.endpoint).value_or("") == (row.mended == nullptr ? "" : row.mended));
    CHECK(endpoint_advice(row.endpoint).empty() == (row.mended == nullptr));
}

}  // namespace
}  // namespace route
