#include "tests/net/stage.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <utility>

#include "tests/support/turns.hpp"

namespace route::test {

namespace {

std::string name_of(std::size_t index)
{
    static const std::vector<std::string> names{"first", "second", "third", "fourth"};
    return names.at(index);
}

}  // namespace

Stage::Stage(std::vector<Script> scripts, Settings settings, net::LookUp look_up)
    : router_{std::move(settings), {}, {"test-key", "other-key"}, std::move(look_up)}
{
    for (auto& script : scripts) {
        const std::size_t index = upstreams_.size();
        upstreams_.push_back(std::make_unique<FakeUpstream>(io(), std::move(script)));
        definitions_.push_back(
            definition(static_cast<std::int64_t>(index) + 1, name_of(index), upstreams_.back()->port()));
    }
    router_.set_upstreams(definitions_);
}

void Stage::change(const std::function<void(std::vector<UpstreamDefinition>&)>& edit)
{
    edit(definitions_);
    router_.set_upstreams(definitions_);
}

void Stage::put_first(std::uint16_t port)
{
    change([&](auto& definitions) {
        definitions.push_back(definition(static_cast<std::int64_t>(definitions.size()) + 1, "before", port));
        definitions.back().priority = -1;
    });
}

std::unique_ptr<TestClient> Stage::connect(int receive_buffer)
{
    return std::make_unique<TestClient>(io(), router_.port(), receive_buffer);
}

Reply Stage::ask(const std::string& request)
{
    return ask(request, false);
}

Reply Stage::ask_head(const std::string& request)
{
    return ask(request, true);
}

Reply Stage::ask(const std::string& request, bool head)
{
    const auto client = connect();
    if (head) {
        client->expect_headers_only(0);
    }
    client->send(request);
    run_until([&] { return !client->replies().empty() || client->closed_by_peer(); });
    REQUIRE_FALSE(client->replies().empty());
    return client->replies().front();
}

void Stage::settle()
{
    bool settled = false;
    boost::asio::co_spawn(io(), let_others_run(50), [&](const std::exception_ptr&) { settled = true; });
    run_until([&] { return settled; });
}

const Record& Stage::record(std::size_t nth)
{
    run_until([&] { return router_.records().size() > nth; });
    return router_.records().at(nth);
}

std::size_t Stage::authenticated_records()
{
    std::size_t count = 0;
    for (const auto& record : router_.records()) {
        count += record.authenticated ? 1 : 0;
    }
    return count;
}

UpstreamDefinition definition(std::int64_t id, std::string name, std::uint16_t port)
{
    UpstreamDefinition upstream;
    upstream.id = id;
    upstream.name = std::move(name);
    upstream.sk = "sk-upstream-" + std::to_string(id);
    upstream.endpoint = "http://127.0.0.1:" + std::to_string(port) + "/v1";
    return upstream;
}

Settings patient_settings()
{
    constexpr Seconds long_time{600};
    Settings settings;
    settings.timeouts.default_ = long_time;
    settings.timeouts.stream = long_time;
    settings.timeouts.large_body = long_time;
    settings.timeouts.single = long_time;
    settings.timeouts.connect = long_time;
    settings.timeouts.idle = long_time;
    settings.failover.commit_after = long_time;
    settings.server.header_timeout = long_time;
    settings.server.body_timeout = long_time;
    settings.upstream.idle_timeout = long_time;
    return settings;
}

std::string tries_of(const Record& record)
{
    std::string text;
    for (const auto& attempt : record.attempts)
        text +=
            (text.empty() ? "" : " ") + attempt.upstream_name + ":" + std::string{to_string(attempt.outcome)};
    return text;
}

ErrorText error_of(const Reply& reply)
{
    CAPTURE(reply.raw);
    CHECK_THAT(reply.header("content-type"), ContainsSubstring("application/json"));
    CHECK(reply.header("access-control-allow-origin") == "*");
    boost::system::error_code failure;
    const auto body = boost::json::parse(reply.body(), failure);
    REQUIRE_FALSE(failure);
    REQUIRE(body.is_object());
    REQUIRE(body.as_object().contains("error"));
    const auto& error = body.at("error").as_object();
    REQUIRE(error.size() == 4);
    CHECK(error.at("param").is_null());
    ErrorText text;
    text.message = boost::json::value_to<std::string>(error.at("message"));
    text.type = boost::json::value_to<std::string>(error.at("type"));
    text.code = boost::json::value_to<std::string>(error.at("code"));
    CHECK(text.type == (reply.status() < 500 ? "invalid_request_error" : "server_error"));
    return text;
}

}  // namespace route::test
