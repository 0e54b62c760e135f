#include "core/openai/made_ids.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

IdHashes hashed(std::vector<std::string> ids)
{
    IdHashes all;
    for (const auto& id : ids)
        all.push_back(hash_id(id));
    std::sort(all.begin(), all.end());
    return all;
}

IdHashes made(Making making, std::string_view json)
{
    IdHashes ids;
    add_made_ids(making, json, ids);
    std::sort(ids.begin(), ids.end());
    return ids;
}

IdHashes made(Making making, const SseEvent& event)
{
    IdHashes ids;
    add_made_ids(making, event, ids);
    std::sort(ids.begin(), ids.end());
    return ids;
}

struct MakingCase
{
    std::string method;
    std::string path;
    Making making;
};

struct ReplyCase
{
    Making making;
    std::string json;
    std::vector<std::string> ids;
};

}  // namespace

TEST_CASE("which requests make something, by method and path")
{
    const auto [method, path, making] = GENERATE(values<MakingCase>({
        {"POST", "/v1/files", Making::thing},
        {"GET", "/v1/files", Making::thing},
        {"GET", "/v1/files/file-1", Making::thing},
        {"GET", "/v1/files/file-1/content", Making::nothing},
        {"DELETE", "/v1/files/file-1", Making::nothing},
        {"POST", "/openai/v1/batches", Making::thing},
        {"POST", "/v1/batches/batch_1/cancel", Making::thing},
        {"POST", "/v1/uploads/upload_1/complete", Making::thing},
        {"POST", "/v1/uploads/upload_1/parts", Making::nothing},
        {"POST", "/v1/responses", Making::response},
        {"GET", "/v1/responses/resp_1", Making::response},
        {"GET", "/v1/responses/resp_1/input_items", Making::nothing},
        {"POST", "/v1/messages", Making::message},
        {"POST", "/v1/messages/count_tokens", Making::nothing},
        {"POST", "/v1/messages/batches", Making::thing},
        {"POST", "/v1/fine_tuning/jobs", Making::thing},
        {"GET", "/v1/fine_tuning/jobs/ftjob-1/events", Making::nothing},
        {"POST", "/v1/threads", Making::thing},
        {"POST", "/v1/threads/runs", Making::run},
        {"POST", "/v1/threads/thread_1/runs", Making::run},
        {"POST", "/v1/videos/video_1/remix", Making::thing},
        {"POST", "/v1/chat/completions", Making::nothing},
        {"POST", "/v1/embeddings", Making::nothing},
        {"GET", "/v1/models", Making::nothing},
    }));
    INFO(method << ' ' << path);
    CHECK(making_of(method, path) == making);
}

TEST_CASE("the ids that a reply makes")
{
    const auto [making, json, ids] = GENERATE(values<ReplyCase>({
        {Making::thing, R"({"id":"file-1","object":"file","bytes":1})", {"file-1"}},
        {Making::thing,
         R"({"id":"batch_1","input_file_id":"file-1","output_file_id":"file-2","error_file_id":"file-3"})",
         {"batch_1", "file-2", "file-3"}},
        {Making::thing,
         R"({"id":"ftjob-1","result_files":["file-1","file-2"]})",
         {"ftjob-1", "file-1", "file-2"}},
        {Making::thing, R"({"id":"upload_1","file":{"id":"file-1"}})", {"upload_1", "file-1"}},
        {Making::thing,
         R"({"object":"list","data":[{"id":"batch_1","output_file_id":"file-1"},{"id":"batch_2"}]})",
         {"batch_1", "file-1", "batch_2"}},
        {Making::run,
         R"({"id":"run_1","thread_id":"thread_1","assistant_id":"asst_1"})",
         {"run_1", "thread_1"}},
        {Making::response,
         R"({"id":"resp_1","store":true,"conversation":{"id":"conv_1"},"output":[{"id":"msg_1","type":"message","content":[{"text":"\"id\":\"no\""}]},{"id":"ci_1","type":"code_interpreter_call","container_id":"cntr_1"}]})",
         {"resp_1", "conv_1", "cntr_1"}},
        {Making::response, R"({"id":"resp_1","output":[]})", {"resp_1"}},
        {Making::response, R"({"id":"resp_1","store":false})", {}},
        {Making::message,
         R"({"id":"msg_1","container":{"id":"container_1"},"content":[{"type":"bash_code_execution_tool_result","content":{"content":[{"file_id":"file-1"}]}},{"type":"tool_use","input":{"file_id":"said"}}]})",
         {"container_1", "file-1"}},
        {Making::message, R"({"id":"msg_1","content":[{"type":"text","text":"hello"}]})", {}},
        {Making::nothing, R"({"id":"chatcmpl-1"})", {}},
        {Making::thing, R"({"id":7,"error":{"id":"no"}})", {}},
        {Making::thing, R"({"id":""})", {}},
        {Making::thing, "no JSON", {}},
        {Making::thing, "", {}},
    }));
    INFO(json);
    CHECK(made(making, json) == hashed(ids));
}

TEST_CASE("of a reply that breaks off anywhere the ids before that count")
{
    const std::string json = R"({"id":"resp_1","text":{"a":"\"{\\"},"conversation":{"id":"conv_1"},"x":"ü"})";
    const auto id_known = json.find("resp_1") + 8;
    for (std::size_t size = id_known; size <= json.size(); ++size) {
        INFO(json.substr(0, size));
        const auto ids = made(Making::response, std::string_view{json}.substr(0, size));
        CHECK(std::count(ids.begin(), ids.end(), hash_id("resp_1")) == 1);
    }
    CHECK(made(Making::response, std::string_view{json}.substr(0, json.size() - 1)) ==
          hashed({"resp_1", "conv_1"}));
}

TEST_CASE("events that make something")
{
    const auto created =
        R"({"type":"response.created","response":{"id":"resp_1","conversation":{"id":"conv_1"}}})";
    CHECK(made(Making::response, SseEvent{"response.created", created}) == hashed({"resp_1", "conv_1"}));
    CHECK(made(Making::response, SseEvent{"", created}) == hashed({"resp_1", "conv_1"}));
    CHECK(made(Making::response, SseEvent{"response.created", created, SseEvent::Part::end}).empty());
    CHECK(made(Making::nothing, SseEvent{"response.created", created}).empty());
    CHECK(
        made(Making::response, SseEvent{"response.created", R"({"response":{"id":"resp_1","store":false}})"})
            .empty());
    CHECK(made(Making::response,
               SseEvent{"response.created", R"({"response":{"id":"resp_1","instructions":"long)",
                        SseEvent::Part::beginning}) == hashed({"resp_1"}));
    CHECK(made(Making::response,
               SseEvent{"response.output_item.done", R"({"item":{"id":"ci_1","container_id":"cntr_1"}})"}) ==
          hashed({"cntr_1"}));
    CHECK(made(Making::response,
               SseEvent{"response.output_text.delta", R"({"item_id":"msg_1","delta":"response.created"})"})
              .empty());
    CHECK(made(Making::message,
               SseEvent{"message_delta",
                        R"({"delta":{"stop_reason":"end_turn","container":{"id":"container_1"}}})"}) ==
          hashed({"container_1"}));
    const auto block = [](std::string_view content) {
        return R"({"index":1,"content_block":{"type":"code_execution_tool_result",)" + std::string{content} +
               "}}";
    };
    CHECK(made(Making::message,
               SseEvent{"content_block_start", block(R"("content":{"content":[{"file_id":"file_1"}]})")}) ==
          hashed({"file_1"}));
    CHECK(made(Making::message, SseEvent{"content_block_start", block(R"("input":{"file_id":"file_1"})")})
              .empty());
    CHECK(made(Making::message, SseEvent{"message_start", R"({"message":{"id":"msg_1","container":null}})"})
              .empty());
    CHECK(made(Making::run, SseEvent{"thread.run.created", R"({"id":"run_1","thread_id":"thread_1"})"}) ==
          hashed({"run_1", "thread_1"}));
    CHECK(made(Making::run, SseEvent{"thread.message.delta", R"({"id":"msg_1"})"}).empty());
}

TEST_CASE("a long list makes so many ids and no more")
{
    std::string list = R"({"data":[{"id":"0"})";
    for (int i = 1; i < 10'000; ++i)
        list += R"(,{"id":")" + std::to_string(i) + R"("})";
    const auto ids = made(Making::thing, list + "]}");
    CHECK(ids.size() == most_made_ids);
    CHECK(std::count(ids.begin(), ids.end(), hash_id("0")) == 1);
}
