#include "core/net/pages.hpp"

#include "core/http/doubled_path.hpp"
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

bool is_page(const Request& request, const RoutingTable& table)
{
    const auto path = request.path;
    return !path.starts_with("/v1/") || request.parser->method() == "OPTIONS" ||
           (path == table.settings.metrics.path && reads(request)) || !doubled_path(path).empty();
}

Pages::Pages(EventLoop& loop, const RoutingTable& table, const Request& request, ClientReply& reply)
    : loop_{loop}, table_{table}, request_{request}, reply_{reply}
{
}

bool Pages::is_metrics() const
{
    return reads(request_) && request_.path == table_.settings.metrics.path;
}

bool Pages::needs_key() const
{
    return table_.settings.metrics.auth && is_metrics();
}

awaitable<std::optional<RouterError>> Pages::answer()
{
    const auto path = request_.path;
    if (reads(request_) && path == "/healthz") {
        OwnReply fine{200, plain_text, {}, "ok\n", false};
        co_await send(std::move(fine));
    } else if (reads(request_) && path == "/readyz") {
        co_await answer_readiness();
    } else if (is_metrics()) {
        co_await answer_metrics();
    } else if (is_preflight(request_)) {
        co_await answer_preflight();
    } else {
        auto complaint = doubled_path(path);
        if (complaint.empty())
            complaint = "no such path; requests go to /v1/…";
        RouterError unknown{404, "not_found", std::move(complaint)};
        co_return unknown;
    }
    co_return std::nullopt;
}

awaitable<void> Pages::send(OwnReply reply)
{
    const bool sent = co_await reply_.send_own(std::move(reply));
    if (sent)
        co_await reply_.release();
}

awaitable<void> Pages::answer_preflight()
{
    const auto asked = find_field(request_.fields(), http::field::access_control_request_headers);
    std::string fields =
        "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, "
        "OPTIONS\r\nAccess-Control-Allow-Headers: ";
    fields.append(asked.empty() ? std::string_view{"Origin, Authorization, Content-Type"} : asked);
    fields.append("\r\nAccess-Control-Max-Age: 86400\r\n");
    OwnReply reply{204, {}, fields, {}, true};
    co_await send(std::move(reply));
}

awaitable<void> Pages::answer_metrics()
{
    auto ask = loop_.services.metrics_text;
    auto body = co_await run_off_loop(loop_.services.pages, loop_, std::move(ask));
    OwnReply reply{200, metrics_text, {}, std::move(body), false};
    co_await send(std::move(reply));
}

awaitable<void> Pages::answer_readiness()
{
    std::function<Readiness()> ask = [&services = loop_.services] { return services.readiness(); };
    auto readiness = co_await run_off_loop(loop_.services.pages, loop_, std::move(ask));
    if (loop_.draining()) {
        readiness.ready = false;
        readiness.text = "draining";
    }
    if (readiness.text.empty())
        readiness.text = "ready";
    readiness.text += '\n';
    OwnReply reply{readiness.ready ? 200u : 503u, plain_text, {}, std::move(readiness.text), false};
    co_await send(std::move(reply));
}

}  // namespace route::net
