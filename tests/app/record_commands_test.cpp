#include <boost/json.hpp>
#include <sstream>

#include "core/uuid.hpp"
#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

using std::chrono::milliseconds;

const SystemTime first_time =
    std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} + std::chrono::hours{12};

Record record_at(SystemTime time, std::uint64_t number)
{
    Record record;
    record.request_id = uuid_v7(time, number, number);
    record.created_at = time;
    record.node = "host";
    record.ip = "1.2.3.4";
    record.key_name = "alice";
    record.method = "POST";
    record.path = "/v1/chat/completions";
    record.authenticated = true;
    return record;
}

Record good_record()
{
    auto record = record_at(first_time, 1);
    record.model = "gpt-4o";
    record.body = R"({"model":"gpt-4o"})";
    record.status = 200;
    record.upstream_name = "second";
    record.response = "hello\x1b[31m";
    record.elapsed_time = milliseconds{1500};
    record.response_time = milliseconds{500};
    record.prompt_tokens = 3;
    record.completion_tokens = 4;
    record.total_tokens = 7;
    record.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    record.attempts.resize(2);
    record.attempts[0].upstream_name = "first";
    record.attempts[0].outcome = AttemptOutcome::connect;
    record.attempts[0].error = "connection refused";
    record.attempts[1].number = 2;
    record.attempts[1].upstream_name = "second";
    record.attempts[1].status = 200;
    return record;
}

Record failed_record()
{
    auto record = record_at(first_time + std::chrono::hours{24}, 2);
    record.model = "模型";
    record.body = "needle";
    record.status = 502;
    record.outcome = RequestOutcome::upstream_error;
    record.error = "every upstream failed";
    return record;
}

void store(const CommandLine& line)
{
    const std::vector<Record> records{good_record(), failed_record()};
    line.database().insert(records);
}

TEST_CASE("records are listed, newest first")
{
    CommandLine line;
    store(line);
    CHECK(line.ok({"record", "list"}) ==
          "ID  TIME                      STATUS  OUTCOME         KEY    IP       MODEL   UPSTREAM      MS  "
          "TOKENS  ATTEMPTS\n"
          " 2  2026-02-01T12:00:00.000Z     502  upstream_error  alice  1.2.3.4  模型                 0.0    "
          "             0\n"
          " 1  2026-01-31T12:00:00.000Z     200  ok              alice  1.2.3.4  gpt-4o  second    1500.0    "
          "   7         2\n");
    const auto json = boost::json::parse(line.ok({"record", "list", "--json"})).as_array();
    REQUIRE(json.size() == 2);
    CHECK(json[0].at("id").as_int64() == 2);
    CHECK(json[0].at("total_tokens").is_null());
    CHECK(json[1].at("elapsed_time").as_int64() == 1'500'000'000);
    CHECK(json[0].at("attempts").as_int64() == 0);
    CHECK(json[1].at("attempts").as_int64() == 2);
    CHECK_FALSE(json[1].as_object().contains("body"));
    CHECK_FALSE(json[1].as_object().contains("response"));
    const auto whole = boost::json::parse(line.ok({"record", "list", "--json", "--bodies"})).as_array();
    CHECK(whole[1].at("body").as_string() == R"({"model":"gpt-4o"})");
    CHECK(whole[1].at("response").as_string() == "hello\x1b[31m");
    CHECK(boost::json::parse(line.ok({"record", "list", "--json", "--limit", "1"})).as_array().size() == 1);
}

TEST_CASE("records are filtered and exported as JSON lines, oldest first")
{
    CommandLine line;
    store(line);
    struct Row
    {
        std::vector<std::string> arguments;
        std::vector<std::int64_t> ids;
    };
    const Row row = GENERATE(values<Row>({
        {{}, {1, 2}},
        {{"--limit", "1"}, {1}},
        {{"--since", "2026-02-01"}, {2}},
        {{"--until", "2026-02-01"}, {1}},
        {{"--until", "2026-01-31T20:00:00+08:00"}, {}},
        {{"--since", "2026-01-31T20:00:00+08:00"}, {1, 2}},
        {{"--model", "gpt-4o"}, {1}},
        {{"--upstream", "second"}, {1}},
        {{"--key", "alice"}, {1, 2}},
        {{"--key", "bob"}, {}},
        {{"--status", "502"}, {2}},
        {{"--outcome", "ok"}, {1}},
        {{"--grep", "needle"}, {2}},
        {{"--grep", "needle", "--status", "200"}, {}},
    }));
    std::vector<std::string> arguments = row.arguments;
    arguments.insert(arguments.begin(), {"record", "export"});
    std::istringstream lines{line.ok(arguments)};
    std::vector<std::int64_t> ids;
    for (std::string text; std::getline(lines, text);) {
        const auto json = boost::json::parse(text);
        ids.push_back(json.at("id").as_int64());
        CHECK(json.at("attempts").as_int64() == (ids.back() == 1 ? 2 : 0));
        CHECK(json.at("trace_id").as_string() == (ids.back() == 1 ? good_record().trace_id : ""));
    }
    CHECK(ids == row.ids);
}

TEST_CASE("one record is shown with its attempts and bodies")
{
    CommandLine line;
    store(line);
    for (const std::string& id : {std::string{"1"}, good_record().request_id}) {
        const auto text = line.ok({"record", "show", id});
        CHECK_THAT(text, ContainsSubstring("connection refused") && ContainsSubstring("gpt-4o"));
        CHECK_THAT(text, ContainsSubstring("body:\n{\n  \"model\": \"gpt-4o\"\n}\n") &&
                             ContainsSubstring("response:\nhello"));
        CHECK_THAT(text, ContainsSubstring(good_record().trace_id));
        CHECK(text.find('\x1b') == std::string::npos);
    }
    const auto json = boost::json::parse(line.ok({"record", "show", "1", "--json"})).as_object();
    CHECK(json.at("attempts").as_int64() == 2);
    const auto& attempts = json.at("tries").as_array();
    CHECK(json.at("trace_id").as_string() == good_record().trace_id);
    REQUIRE(attempts.size() == 2);
    CHECK(attempts[0].at("outcome").as_string() == "connect");
    CHECK(attempts[0].at("status").is_null());
    CHECK(attempts[1].at("status").as_int64() == 200);
    const auto missing = line({"record", "show", "no-such-id"});
    CHECK(missing.code == 1);
    CHECK(missing.err == "openai-api-route: there is no record no-such-id\n");
}

TEST_CASE("bodies are shown to 4 KiB, unless all is asked for")
{
    CommandLine line;
    auto record = good_record();
    record.body = R"({"model":"m","input":")" + std::string(300'000, 'x') + R"("})";
    record.response = std::string(5000, 'y');
    line.database().insert(std::vector<Record>{record});
    const auto text = line.ok({"record", "show", "1"});
    CHECK(text.size() < 12'000);
    CHECK_THAT(text, ContainsSubstring("\n  \"model\": \"m\",\n") &&
                         ContainsSubstring("… (cut: 300024 bytes are recorded, --full shows all)") &&
                         ContainsSubstring("… (cut: 5000 bytes are recorded, --full shows all)"));
    const auto full = line.ok({"record", "show", "1", "--full"});
    CHECK_THAT(full, ContainsSubstring(std::string(300'000, 'x')) && !ContainsSubstring("cut:"));
    CHECK(boost::json::parse(line.ok({"record", "show", "1", "--json"})).at("body").as_string() ==
          record.body);
}

TEST_CASE("statistics")
{
    CommandLine line;
    store(line);
    CHECK_THAT(line.ok({"record", "stats"}), ContainsSubstring("gpt-4o  second"));
    const auto json =
        boost::json::parse(line.ok({"record", "stats", "--json", "--model", "gpt-4o"})).as_array();
    REQUIRE(json.size() == 1);
    CHECK(json[0].at("requests").as_int64() == 1);
    CHECK(json[0].at("p95_time").as_int64() == 1'500'000'000);
    CHECK(json[0].at("total_tokens").as_int64() == 7);
}

TEST_CASE("old records are pruned, whole or their bodies")
{
    CommandLine line;
    store(line);
    CHECK(line.ok({"record", "prune", "--until", "2026-02-01", "--bodies"}) == "emptied 1 record\n");
    CHECK(line.database().find_record("1")->record.response.empty());
    CHECK(line.database().find_record("2")->record.body == "needle");
    CHECK(line.ok({"record", "prune", "--until", "2026-02-01"}) == "deleted 1 record\n");
    CHECK_FALSE(line.database().find_record("1"));
    CHECK(line.database().find_record("2"));
}

TEST_CASE("the last records, oldest of them first")
{
    CommandLine line;
    line.database();
    CHECK(line.ok({"record", "tail", "--no-follow"}).empty());
    store(line);
    const auto text = line.ok({"record", "tail", "--no-follow"});
    CHECK(text ==
          "    ID  TIME                      STATUS  OUTCOME         KEY       IP             MODEL          "
          "   UPSTREAM     "
          "        MS  TOKENS  ATTEMPTS  ERROR\n"
          "     1  2026-01-31T12:00:00.000Z     200  ok              alice     1.2.3.4        gpt-4o         "
          "   second       "
          "    1500.0       7         2\n"
          "     2  2026-02-01T12:00:00.000Z     502  upstream_error  alice     1.2.3.4        模型           "
          "                "
          "       0.0                 0  every upstream failed\n");
    const auto last = line.ok({"record", "tail", "--no-follow", "--limit", "1", "--json"});
    CHECK(boost::json::parse(last).at("id").as_int64() == 2);
}

TEST_CASE("record curl prints a request as a command, without a key")
{
    CommandLine line;
    auto stream = record_at(first_time, 3);
    stream.stream = true;
    stream.body = R"({"model":"gpt-4o","stream":true,"messages":[{"content":"it's"}]})";
    stream.body_bytes = stream.body.size();
    auto list = record_at(first_time, 4);
    list.method = "GET";
    list.path = "/v1/models";
    auto odd = record_at(first_time, 5);
    odd.body = "a\x1b'\\";
    auto cut = record_at(first_time, 6);
    cut.body = "{\"model\":\"gpt-4o\"… [cut, 900000 bytes]";
    cut.body_bytes = 900000;
    auto upload = record_at(first_time, 7);
    upload.body = "[multipart/form-data, 5000 bytes]";
    upload.body_bytes = 5000;
    auto none = record_at(first_time, 8);
    none.body_bytes = 10;
    auto form = record_at(first_time, 9);
    form.body = "--b-7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw\r\n--b-7--\r\n";
    form.body_bytes = form.body.size();
    const std::vector<Record> records{stream, list, odd, cut, upload, none, form};
    line.database().insert(records);
    CHECK_THAT(line.ok({"record", "curl", form.request_id}),
               ContainsSubstring("-H 'Content-Type: multipart/form-data; boundary=\"b-7\"'"));
    CHECK(
        line.ok({"record", "curl", stream.request_id}) ==
        "curl -N 'http://localhost:8888/v1/chat/completions' \\\n"
        "  -H \"Authorization: Bearer $OPENAI_API_KEY\" \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  --data-raw '{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"content\":\"it'\\''s\"}]}'\n");
    line.configure("[server]\nlisten = \"[::1]:9000\"\n");
    CHECK(line.ok({"record", "curl", list.request_id}) ==
          "curl 'http://[::1]:9000/v1/models' \\\n  -H \"Authorization: Bearer $OPENAI_API_KEY\"\n");
    CHECK_THAT(line.ok({"record", "curl", odd.request_id}), ContainsSubstring("--data-raw $'a\\x1b\\'\\\\'"));
    CHECK_THAT(line({"record", "curl", cut.request_id}).err,
               ContainsSubstring("only the beginning is recorded"));
    CHECK_THAT(line({"record", "curl", upload.request_id}).err,
               ContainsSubstring("it was multipart/form-data, 5000 bytes"));
    CHECK_THAT(line({"record", "curl", none.request_id}).err, ContainsSubstring("its body is not recorded"));
    CHECK(line({"record", "curl", "no-such-id"}).code == 1);
}

}  // namespace
}  // namespace route::tests
