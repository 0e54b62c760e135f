// What channels answer, and what operators write about them. An input is a Retry-After in its first line and
// a reply's body; or a URL; or a template.
#include <array>
#include <boost/json/parse.hpp>
#include <chrono>
#include <string>

#include "core/text.hpp"
#include "notify/backoff.hpp"
#include "notify/feishu.hpp"
#include "notify/matrix.hpp"
#include "notify/web_url.hpp"
#include "notify/webhook.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;
using notify::Delivery;

namespace {

constexpr std::array statuses{0u, 200u, 204u, 302u, 400u, 404u, 408u, 429u, 500u, 503u};

bool is_one_line(std::string_view text)
{
    return text.find_first_of("\r\n\x1b") == std::string_view::npos && valid_utf8(text);
}

void check_delivery(const Delivery& delivery, unsigned status)
{
    require(delivery.result != Delivery::Result::ok || (status >= 200 && status < 300),
            "only a 2xx is a success");
    require(is_one_line(delivery.detail), "what is said of a failure is fit for a log");
    const notify::Retries retries;
    const auto wait = notify::wait_before_next(retries, 1, {}, delivery.wait, 0.5);
    require(wait && wait->count() >= 0 && *wait <= retries.give_up,
            "whatever a channel wants, there is another try in the time for it");
}

void check_replies(Input input)
{
    const auto status = statuses[input.choose() % statuses.size()];
    const std::string retry_after{input.take_line()};
    notify::HttpReply reply{status, std::string{input.bytes()}, retry_after};
    const SystemTime now{std::chrono::seconds{1'800'000'000}};
    check_delivery(notify::judge_feishu(reply, now), status);
    check_delivery(notify::judge_matrix(reply, now), status);
    check_delivery(notify::judge_webhook(reply, now), status);
}

void check_url(std::string_view text)
{
    const auto url = notify::parse_web_url(text);
    if (!url) {
        require(is_one_line(url.error().reason), "a refusal is fit for a log");
        return;
    }
    const auto& path = url->endpoint.base_path;
    require(path.starts_with('/') && path.find_first_of(" \r\n?#") == std::string::npos,
            "a path has nothing that would end it");
    require(url->query.empty() || url->query.starts_with('?'), "a query begins with its mark");
    require(url->query.find_first_of(" \r\n#") == std::string::npos, "a query has nothing that would end it");
    require(notify::shown(*url) == url->endpoint.origin + "/…", "of a secret URL the origin is shown");
}

void check_template(std::string_view text)
{
    if (!notify::check_template(text))
        return;
    notify::Failure failure{"::1", "a\"b\\${text}\n", 502, "}\x01", "id", "up", {}};
    const auto filled = notify::fill_template(text, notify::tell_failure(failure));
    boost::system::error_code failed;
    boost::json::parse(filled, failed);
    require(!failed, "a template that was taken is JSON with any message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Input input{data, size};
    check_replies(input);
    const Bytes whole{input.bytes()};
    check_url(whole.view());
    check_template(whole.view());
    return 0;
}
