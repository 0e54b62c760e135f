// Which API a request asks, by its path.
#include "core/openai/api.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace route {
namespace {

constexpr std::array<std::pair<std::string_view, Api>, 14> answering_paths{{
    {"chat/completions", Api::chat_completions},
    {"completions", Api::completions},
    {"responses", Api::responses},
    {"messages", Api::messages},
    {"embeddings", Api::embeddings},
    {"images/generations", Api::images},
    {"images/edits", Api::images},
    {"images/variations", Api::images},
    {"audio/speech", Api::audio_speech},
    {"audio/transcriptions", Api::audio_transcriptions},
    {"audio/translations", Api::audio_transcriptions},
    {"moderations", Api::moderations},
    {"rerank", Api::rerank},
    {"reranks", Api::rerank},
}};

bool take_prefix(std::string_view& path, std::string_view prefix)
{
    if (!path.starts_with(prefix))
        return false;
    path.remove_prefix(prefix.size());
    return true;
}

}  // namespace

std::string_view below_version(std::string_view path)
{
    if (take_prefix(path, "/v1/") || take_prefix(path, "/openai/v1/"))
        return path;
    if (!take_prefix(path, "/openai/deployments/"))
        return {};
    const auto end_of_model = path.find('/');
    return end_of_model == path.npos ? std::string_view{} : path.substr(end_of_model + 1);
}

Api api_of(std::string_view method, std::string_view path)
{
    if (method != "POST")
        return Api::other;
    auto rest = below_version(path);
    if (rest.ends_with('/'))
        rest.remove_suffix(1);
    const auto* const found = std::find_if(answering_paths.begin(), answering_paths.end(),
                                           [&](const auto& known) { return known.first == rest; });
    return found == answering_paths.end() ? Api::other : found->second;
}

}  // namespace route
