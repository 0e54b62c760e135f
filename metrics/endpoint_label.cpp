#include "metrics/endpoint_label.hpp"

#include <iterator>
#include <unordered_map>
#include <vector>

namespace route::metrics {

namespace {

/// A segment that begins with ':' stands for any one. What is written out wins over what is not.
constexpr std::string_view labels[] = {
    "other",
    "/v1/chat/completions",
    "/v1/chat/completions/:id",
    "/v1/chat/completions/:id/messages",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/models/:model",
    "/v1/moderations",
    "/v1/rerank",
    "/v1/responses",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/responses/:id",
    "/v1/responses/:id/cancel",
    "/v1/responses/:id/input_items",
    "/v1/conversations",
    "/v1/conversations/:id",
    "/v1/conversations/:id/items",
    "/v1/conversations/:id/items/:item",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/v1/messages/batches/:id",
    "/v1/messages/batches/:id/cancel",
    "/v1/messages/batches/:id/results",
    "/v1/complete",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/audio/voices",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/images/variations",
    "/v1/videos",
    "/v1/videos/:id",
    "/v1/videos/:id/content",
    "/v1/videos/:id/remix",
    "/v1/realtime",
    "/v1/realtime/calls",
    "/v1/realtime/client_secrets",
    "/v1/realtime/sessions",
    "/v1/realtime/transcription_sessions",
    "/v1/files",
    "/v1/files/:id",
    "/v1/files/:id/content",
    "/v1/uploads",
    "/v1/uploads/:id/cancel",
    "/v1/uploads/:id/complete",
    "/v1/uploads/:id/parts",
    "/v1/batches",
    "/v1/batches/:id",
    "/v1/batches/:id/cancel",
    "/v1/fine_tuning/jobs",
    "/v1/fine_tuning/jobs/:id",
    "/v1/fine_tuning/jobs/:id/cancel",
    "/v1/fine_tuning/jobs/:id/checkpoints",
    "/v1/fine_tuning/jobs/:id/events",
    "/v1/fine_tuning/jobs/:id/pause",
    "/v1/fine_tuning/jobs/:id/resume",
    "/v1/assistants",
    "/v1/assistants/:id",
    "/v1/threads",
    "/v1/threads/runs",
    "/v1/threads/:id",
    "/v1/threads/:id/messages",
    "/v1/threads/:id/messages/:message",
    "/v1/threads/:id/runs",
    "/v1/threads/:id/runs/:run",
    "/v1/threads/:id/runs/:run/cancel",
    "/v1/threads/:id/runs/:run/steps",
    "/v1/threads/:id/runs/:run/steps/:step",
    "/v1/threads/:id/runs/:run/submit_tool_outputs",
    "/v1/vector_stores",
    "/v1/vector_stores/:id",
    "/v1/vector_stores/:id/file_batches",
    "/v1/vector_stores/:id/file_batches/:batch",
    "/v1/vector_stores/:id/file_batches/:batch/cancel",
    "/v1/vector_stores/:id/file_batches/:batch/files",
    "/v1/vector_stores/:id/files",
    "/v1/vector_stores/:id/files/:file",
    "/v1/vector_stores/:id/files/:file/content",
    "/v1/vector_stores/:id/search",
    "/v1/containers",
    "/v1/containers/:id",
    "/v1/containers/:id/files",
    "/v1/containers/:id/files/:file",
    "/v1/containers/:id/files/:file/content",
    "/v1/evals",
    "/v1/evals/:id",
    "/v1/evals/:id/runs",
    "/v1/evals/:id/runs/:run",
    "/v1/evals/:id/runs/:run/output_items",
    "/v1/evals/:id/runs/:run/output_items/:item",
};

/// Takes the first segment, without slashes, off `path`.
std::string_view take_segment(std::string_view& path)
{
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

bool matches(std::string_view pattern, std::string_view path)
{
    while (pattern.starts_with('/') && path.starts_with('/')) {
        const auto expected = take_segment(pattern);
        const auto segment = take_segment(path);
        if (expected.starts_with(':') ? segment.empty() : segment != expected)
            return false;
    }
    return pattern.empty() && path.empty();
}

/// "/v1/files" of "/v1/files/:id": what the labels are sorted by.
std::string_view first_two_segments(std::string_view path)
{
    const auto second = path.find('/', 1);
    return path.substr(0, second == path.npos ? second : path.find('/', second + 1));
}

struct Index
{
    std::unordered_map<std::string_view, std::size_t> plain;  ///< which nearly every request asks for
    std::unordered_map<std::string_view, std::vector<std::size_t>> with_ids;

    Index()
    {
        for (std::size_t i = 1; i < std::size(labels); ++i)
            if (labels[i].find(':') == labels[i].npos)
                plain.emplace(labels[i], i);
            else
                with_ids[first_two_segments(labels[i])].push_back(i);
    }
};

}  // namespace

std::size_t endpoint_index(std::string_view path)
{
    static const Index known;
    if (const auto found = known.plain.find(path); found != known.plain.end())
        return found->second;
    if (const auto group = known.with_ids.find(first_two_segments(path)); group != known.with_ids.end())
        for (const auto i : group->second)
            if (matches(labels[i], path))
                return i;
    return 0;
}

std::string_view endpoint_label(std::size_t index)
{
    return labels[index < std::size(labels) ? index : 0];
}

std::size_t endpoint_labels()
{
    return std::size(labels);
}

}  // namespace route::metrics
