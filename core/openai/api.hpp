#pragma once

#include <string_view>

namespace route {

/// The API that a request asks. Its reply is judged by its content, except that of `other` (SPEC 5, point 2).
enum class Api
{
    chat_completions,
    completions,
    responses,
    messages,
    embeddings,
    images,
    audio_speech,
    audio_transcriptions,  ///< and translations
    moderations,
    rerank,
    other,
};

/// By the method and the client's path without its query: below `/v1`, `/openai/v1`, or
/// `/openai/deployments/MODEL` as Azure's clients ask. Everything but POST is `other`.
Api api_of(std::string_view method, std::string_view path);

/// What follows the version in such a path, without the slash before it: `files/file-1`; "" for others.
std::string_view below_version(std::string_view path);

/// Whether its replies are answers that are judged by their content.
constexpr bool answers(Api api)
{
    return api != Api::other;
}

/// Whether plain text may be the answer: transcripts come as text, SRT and WebVTT.
constexpr bool answers_with_text(Api api)
{
    return api == Api::audio_transcriptions || api == Api::audio_speech;
}

}  // namespace route
