// What the router answers itself: health, readiness, metrics, CORS preflights, and paths it does not know.
#include "core/http/doubled_path.hpp"
#include "core/net/exchange.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view metrics_text = "text/plain; version=0.0.4; charset=utf-8";

bool reads(const Request& request)
{
    return request.parser->method() == "GET" || request.head_only();
}

/// A browser asks so before a request to any path, and shows the answer to that only after a good one to
/// this.
bool is_preflight(const Request& request)
{
    const auto path = request.path;
    const bool served = path.starts_with("/v1/") || path == "/v1" || path == "*";
    return request.parser->method() == "OPTIONS" &&
           (served || !find_field(request.fields(), http::field::access_control_request_method).empty());
}

}  // namespace

/// Whether the request is for none of the upstreams.
bool Exchange::is_page() const
{
    const auto path = request_.path;
    return !path.starts_with("/v1/") || request_.parser->method() == "OPTIONS" ||
           (path == table_->settings.metrics.path && reads(request_)) || !doubled_path(path).empty();
}

awaitable<void> Exchange::answer_page()
{
    const auto path = request_.path;
    if (reads(request_) && path == "/healthz") {
        std::string fine{"ok\n"};
        co_await answer_own(200, plain_text, std::string_view{}, std::move(fine), false);
    } else if (reads(request_) && path == "/readyz") {
        co_await answer_readiness();
    } else if (reads(request_) && path == table_->settings.metrics.path) {
        co_await answer_metrics();
    } else if (is_preflight(request_)) {
        co_await answer_preflight();
    } else {
        auto complaint = doubled_path(path);
        if (complaint.empty())
            complaint = "no such path; requests go to /v1/…";
        RouterError error{404, "not_found", std::move(complaint)};
        recorded_ = true;
        authenticate_for_record();
        co_await answer(std::move(error));
    }
}

awaitable<void> Exchange::answer_preflight()
{
    const auto asked = find_field(request_.fields(), http::field::access_control_request_headers);
    std::string fields =
        "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, "
        "OPTIONS\r\nAccess-Control-Allow-Headers: ";
    fields.append(asked.empty() ? std::string_view{"Origin, Authorization, Content-Type"} : asked);
    fields.append("\r\nAccess-Control-Max-Age: 86400\r\n");
    std::string nothing;
    co_await answer_own(204, std::string_view{}, fields, std::move(nothing));
}

awaitable<void> Exchange::answer_metrics()
{
    if (table_->settings.metrics.auth) {
        if (auto refusal = authenticate()) {
            recorded_ = true;
            co_await answer(std::move(*refusal));
            co_return;
        }
        client_.stranger.leave();
    }
    auto ask = loop_.services.metrics_text;
    auto body = co_await run_off_loop(loop_.services.pages, loop_, std::move(ask));
    co_await answer_own(200, metrics_text, std::string_view{}, std::move(body), false);
}

awaitable<void> Exchange::answer_readiness()
{
    // The first byte says whether it is ready, the rest is the text.
    std::function<std::string()> ask = [&services = loop_.services] {
        const auto readiness = services.readiness();
        return (readiness.ready ? "+" : "-") + readiness.text;
    };
    auto answered = co_await run_off_loop(loop_.services.pages, loop_, std::move(ask));
    bool ready = answered.front() == '+';
    auto text = answered.substr(1);
    if (loop_.draining()) {
        ready = false;
        text = "draining";
    }
    if (text.empty())
        text = "ready";
    const unsigned status = ready ? 200 : 503;
    text += '\n';
    co_await answer_own(status, plain_text, std::string_view{}, std::move(text), false);
}

}  // namespace route::net
