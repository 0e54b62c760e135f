#include "core/failover/offered_models.hpp"

#include <algorithm>
#include <array>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <unordered_set>
#include <utility>

#include "core/http/request_path.hpp"
#include "core/openai/request_facts.hpp"

namespace route {
namespace {

bool is_path(const std::string& entry)
{
    return entry.starts_with('/');
}

/// On which clients ask models (SPEC 5, point 2).
constexpr std::array<std::string_view, 11> paths_of_models{
    "/v1/chat/completions",     "/v1/completions",        "/v1/responses",    "/v1/messages",
    "/v1/embeddings",           "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech",
    "/v1/audio/transcriptions", "/v1/moderations",        "/v1/rerank",
};

/// Whether it may be asked for that model on some path.
bool offers(const Upstream& upstream, const std::string& name)
{
    return std::any_of(paths_of_models.begin(), paths_of_models.end(), [&](std::string_view path) {
        return allows(upstream.allow, upstream.deny, name, path);
    });
}

}  // namespace

std::string model_of_path(std::string_view method, std::string_view path)
{
    const bool of_one = method == "GET" && path.size() > models_path.size() + 1 &&
                        path.starts_with(models_path) && path[models_path.size()] == '/';
    if (!of_one)
        return {};
    auto model = decoded_path(path.substr(models_path.size() + 1));
    model.resize(std::min(model.size(), max_model_name));
    return model;
}

std::string path_of_model(std::string_view model)
{
    constexpr auto kept = boost::urls::unreserved_chars + '/';
    std::string path{models_path};
    path += '/';
    path += boost::urls::encode(boost::core::string_view{model.data(), model.size()}, kept);
    return path;
}

std::vector<const Upstream*> listing(const Upstreams& upstreams)
{
    std::vector<const Upstream*> asked;
    for (const auto& upstream : upstreams) {
        const auto& allow = upstream->allow;
        const auto speaks_of_it = [](const std::string& entry) {
            const auto matches = [&](std::string_view path) { return matches_pattern(entry, path); };
            return !is_path(entry) || matches(models_path) ||
                   std::any_of(paths_of_models.begin(), paths_of_models.end(), matches);
        };
        const bool allowed = allow.empty() || std::any_of(allow.begin(), allow.end(), speaks_of_it);
        if (allowed && allows({}, upstream->deny, std::nullopt, models_path))
            asked.push_back(upstream.get());
    }
    return asked;
}

std::vector<ListedModel> offered_models(const Upstream& upstream, std::vector<ListedModel> listed)
{
    std::vector<ListedModel> offered;
    for (auto& model : listed) {
        for (const auto& [name, sent] : upstream.rename)
            if (sent == model.id && name != model.id && offers(upstream, name))
                offered.push_back(renamed_model(model, name));
        if (sent_model(upstream, model.id) == model.id && offers(upstream, model.id))
            offered.push_back(std::move(model));
    }
    return offered;
}

std::vector<ListedModel> allowed_models(const Upstream& upstream)
{
    std::vector<ListedModel> models;
    for (const auto& entry : upstream.allow)
        if (!is_path(entry) && entry.find('*') == std::string::npos && offers(upstream, entry))
            models.push_back(named_model(entry, upstream.name));
    return models;
}

void add_models(std::vector<ListedModel>& all, std::vector<ListedModel> models)
{
    std::unordered_set<std::string> known;
    for (const auto& model : all)
        known.insert(model.id);
    for (auto& model : models)
        if (known.insert(model.id).second)
            all.push_back(std::move(model));
}

}  // namespace route
