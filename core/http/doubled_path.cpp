// Paths that a client put together out of a base URL that says too much.
#include "core/http/doubled_path.hpp"

#include <array>

namespace route {

namespace {

/// What SDKs put behind a base URL; one that ends another comes after it.
constexpr std::array<std::string_view, 7> endpoints{
    "/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models", "/moderations"};

std::string complaint(std::string_view path, std::string_view part, std::string_view advice)
{
    return std::string{"the path "}
        .append(path)
        .append(" has ")
        .append(part)
        .append(" twice: ")
        .append(advice);
}

}  // namespace

std::string doubled_path(std::string_view path)
{
    constexpr std::string_view prefix = "/v1";
    if (path.starts_with("/v1/v1/") || path == "/v1/v1")
        return complaint(path, prefix, "the client's base URL already ends in /v1, and it adds /v1 itself");
    for (const auto endpoint : endpoints) {
        if (!path.ends_with(endpoint))
            continue;
        const auto before = path.substr(0, path.size() - endpoint.size());
        if (before.ends_with(endpoint))
            return complaint(path, endpoint.substr(1), "the client's base URL should end in /v1");
    }
    return {};
}

}  // namespace route
