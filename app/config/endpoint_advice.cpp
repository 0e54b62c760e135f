#include "app/config/endpoint_advice.hpp"

#include <fmt/format.h>

#include <array>

#include "core/failover/endpoint.hpp"

namespace route {

std::optional<std::string> endpoint_without_api(std::string_view url)
{
    constexpr std::array<std::string_view, 10> ends{
        "/chat/completions", "/completions", "/responses",    "/embeddings",           "/messages",
        "/models",           "/moderations", "/audio/speech", "/audio/transcriptions", "/images/generations"};
    const auto endpoint = parse_endpoint(url);
    if (!endpoint)
        return std::nullopt;
    const std::string_view path = endpoint->base_path;
    for (const auto end : ends)
        if (path.ends_with(end))
            return endpoint->origin + std::string{path.substr(0, path.size() - end.size())} +
                   (endpoint->query.empty() ? "" : "?" + endpoint->query);
    return std::nullopt;
}

std::string endpoint_advice(std::string_view url)
{
    const auto base = endpoint_without_api(url);
    if (!base)
        return {};
    return fmt::format("use {}: the path of each request is appended to it", *base);
}

}  // namespace route
