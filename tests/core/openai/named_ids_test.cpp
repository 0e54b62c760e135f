#include "core/openai/named_ids.hpp"

#include <string>
#include <vector>

#include "core/openai/request_facts.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

IdHashes hashes(const std::vector<std::string>& ids)
{
    IdHashes all;
    for (const auto& id : ids)
        all.push_back(hash_id(id));
    return all;
}

IdHashes named(std::string_view method, std::string_view path, std::string body)
{
    body.reserve(body.size() + body_padding);
    return named_ids(method, path, body);
}

struct PathCase
{
    std::string path;
    std::vector<std::string> ids;
};

struct BodyCase
{
    std::string path;
    std::string body;
    std::vector<std::string> ids;
};

}  // namespace

TEST_CASE("a path names what stands behind a collection")
{
    const auto [path, ids] = GENERATE(values<PathCase>({
        {"/v1/files/file-1", {"file-1"}},
        {"/v1/files/file-1/content", {"file-1"}},
        {"/v1/files/file%2D1", {"file-1"}},
        {"/v1/files/a+b%2B", {"a+b+"}},
        {"/openai/v1/files/file-1", {"file-1"}},
        {"/openai/deployments/gpt/batches/batch_1/cancel", {"batch_1"}},
        {"/v1/uploads/upload_1/parts", {"upload_1"}},
        {"/v1/responses/resp_1", {"resp_1"}},
        {"/v1/responses/resp_1/input_items", {"resp_1"}},
        {"/v1/conversations/conv_1/items/msg_1", {"conv_1"}},
        {"/v1/threads/thread_1/runs/run_1/steps", {"thread_1", "run_1"}},
        {"/v1/vector_stores/vs_1/files/file-1", {"vs_1", "file-1"}},
        {"/v1/vector_stores/vs_1/search", {"vs_1"}},
        {"/v1/fine_tuning/jobs/ftjob-1/events", {"ftjob-1"}},
        {"/v1/messages/batches/msgbatch_1/results", {"msgbatch_1"}},
        {"/v1/evals/eval_1/runs/evalrun_1", {"eval_1", "evalrun_1"}},
        {"/v1/videos/video_1/content", {"video_1"}},
        {"/v1/containers/cntr_1/files/cfile_1/content", {"cntr_1", "cfile_1"}},
        {"/v1/assistants/asst_1", {"asst_1"}},
        {"/v1/files", {}},
        {"/v1/files/", {}},
        {"/v1/threads/runs", {}},
        {"/v1/responses/compact", {}},
        {"/v1/responses/input_tokens", {}},
        {"/v1/messages/batches", {}},
        {"/v1/messages/count_tokens", {}},
        {"/v1/fine_tuning/jobs", {}},
        {"/v1/chat/completions", {}},
        {"/v1/models/gpt-4o", {}},
        {"/elsewhere/files/file-1", {}},
    }));
    INFO(path);
    CHECK(named("GET", path, "") == hashes(ids));
}

TEST_CASE("a body names what its members hold")
{
    const auto [path, body, ids] = GENERATE(values<BodyCase>({
        {"/v1/responses", R"({"previous_response_id":"resp_1","input":"go on"})", {"resp_1"}},
        {"/v1/responses", R"({"conversation":"conv_1","input":"x"})", {"conv_1"}},
        {"/v1/responses", R"({"conversation":{"id":"conv_1"},"previous_response_id":"r"})", {"conv_1", "r"}},
        {"/v1/responses",
         R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_image","file_id":"file-2"}]}]})",
         {"file-1", "file-2"}},
        {"/v1/responses",
         R"({"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]},{"type":"code_interpreter","container":"cntr_1"}]})",
         {"vs_1", "vs_2", "cntr_1"}},
        {"/v1/responses",
         R"({"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1"]}}]})",
         {"file-1"}},
        {"/v1/responses", R"({"tools":[{"type":"code_interpreter","container":"auto"}]})", {}},
        {"/v1/chat/completions",
         R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]})",
         {"file-1"}},
        {"/v1/batches", R"({"input_file_id":"file-1","endpoint":"/v1/responses"})", {"file-1"}},
        {"/v1/fine_tuning/jobs",
         R"({"training_file":"file-1","validation_file":"file-2"})",
         {"file-1", "file-2"}},
        {"/v1/threads/runs",
         R"({"assistant_id":"asst_1","thread":{"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]}}}})",
         {"asst_1", "vs_1"}},
        {"/v1/evals/eval_1/runs",
         R"({"data_source":{"type":"jsonl","source":{"type":"file_id","id":"file-1"}}})",
         {"eval_1", "file-1"}},
        {"/v1/messages",
         R"({"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file-1"}}]}],"container":{"id":"container_1"}})",
         {"file-1", "container_1"}},
        {"/v1/files/file-1/x", R"({"file_id":"file-2"})", {"file-1", "file-2"}},
        {"/v1/responses", R"({"previous_response_id":"again","conversation":"again"})", {"again"}},
        {"/v1/videos/edits", R"({"video":{"id":"video_1"},"prompt":"x"})", {"video_1"}},
        // What is no name of a thing made.
        {"/v1/rerank", R"({"documents":[{"file_id":"file-1"}],"query":"x"})", {}},
        {"/v1/embeddings", R"({"input":"x","file_id":"file-1"})", {}},
        {"/v1/responses", R"({"previous_response_id":null,"conversation":null})", {}},
        {"/v1/chat/completions",
         R"({"messages":[{"role":"tool","tool_call_id":"call_1","content":"x"}]})",
         {}},
        {"/v1/responses", R"({"input":"{\"previous_response_id\":\"resp_1\",\"file_id\":\"file-1\"}"})", {}},
        {"/v1/responses", R"({"metadata":{"file_id":"file-1"},"input":[{"conversation":"conv_1"}]})", {}},
        {"/v1/messages",
         R"({"messages":[{"content":[{"type":"tool_use","input":{"file_id":"file-1"}}]}]})",
         {}},
        {"/v1/responses",
         R"({"tools":[{"type":"function","parameters":{"properties":{"file_id":{"type":"string","default":"file-1"}}}}]})",
         {}},
        {"/v1/chat/completions", R"({"profile_id":"1","user_id":"2","session_id":"3"})", {}},
        {"/v1/responses", R"(["previous_response_id","resp_1"])", {}},
    }));
    INFO(body);
    CHECK(named("POST", path, body) == hashes(ids));
}

TEST_CASE("a body may be broken, long or deep: what stands before the break counts, and so many ids")
{
    CHECK(named("POST", "/v1/responses", R"({"previous_response_id":"resp_1","input":})") ==
          hashes({"resp_1"}));
    CHECK(named("POST", "/v1/responses", R"({"file_id":)").empty());
    std::string body = R"({"file_ids":[)";
    for (int i = 0; i < 1000; ++i)
        body += '"' + std::to_string(i) + "\",";
    body += "\"\",\"" + std::string(longest_id + 1, 'x') + "\"]}";
    const auto ids = named("POST", "/v1/responses", body);
    CHECK(ids.size() == most_named_ids);
    CHECK(ids.front() == hash_id("0"));
    std::string alike = R"({"file_ids":[)";
    for (int i = 0; i < 100; ++i)
        alike += "\"same\",";
    CHECK(named("POST", "/v1/responses", alike + "\"other\"]}") == hashes({"same"}));
    std::string deep = R"({"file_id":"file-1","a":)";
    for (int i = 0; i < 300; ++i)
        deep += R"({"file_id":[)";
    for (int i = 0; i < 300; ++i)
        deep += "]}";
    deep += '}';
    CHECK(named("POST", "/v1/responses", deep) == hashes({"file-1"}));
}
