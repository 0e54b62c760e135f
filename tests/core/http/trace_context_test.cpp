#include "core/http/trace_context.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

const std::string trace = "0af7651916cd43dd8448eb211c80319c";
const std::string parent = "b7ad6b7169203331";

HeaderField named(std::string_view name, std::string_view value)
{
    return {boost::beast::http::field::unknown, name, value};
}

}  // namespace

TEST_CASE("the trace id of a traceparent")
{
    const auto value = GENERATE(values<std::string>({
        "00-" + trace + "-" + parent + "-01",
        "00-" + trace + "-" + parent + "-00",
        "00-" + trace + "-" + parent + "-ff",
        "01-" + trace + "-" + parent + "-01",
        "cc-" + trace + "-" + parent + "-01",
        "cc-" + trace + "-" + parent + "-01-",
        "cc-" + trace + "-" + parent + "-01-what-the-future-WILL-be",
    }));
    CAPTURE(value);
    CHECK(trace_id(value) == trace);
}

TEST_CASE("a trace id or parent id may have zeros, but not only")
{
    CHECK(trace_id("00-" + std::string(31, '0') + "1-" + parent + "-01") == std::string(31, '0') + "1");
    CHECK(trace_id("00-" + trace + "-1" + std::string(15, '0') + "-01") == trace);
    CHECK(trace_id("00-" + std::string(32, '0') + "-" + parent + "-01").empty());
    CHECK(trace_id("00-" + trace + "-" + std::string(16, '0') + "-01").empty());
}

TEST_CASE("what is no traceparent has no trace id")
{
    const auto value = GENERATE(values<std::string>({
        "",
        "-",
        trace,
        "00-" + trace,
        "00-" + trace + "-" + parent,
        "00-" + trace + "-" + parent + "-",
        "00-" + trace + "-" + parent + "-0",
        "00-" + trace + "-" + parent + "-01-",
        "00-" + trace + "-" + parent + "-01-more",
        "00-" + trace + "-" + parent + "-010",
        "00-" + trace + "-" + parent + "-01 ",
        "01-" + trace + "-" + parent + "-01.more",
        "01-" + trace + "-" + parent + "-011",
        "ff-" + trace + "-" + parent + "-01",
        "FE-" + trace + "-" + parent + "-01",
        "0-" + trace + "-" + parent + "-01-",
        "0g-" + trace + "-" + parent + "-01",
        "00_" + trace + "-" + parent + "-01",
        "00-" + trace + "_" + parent + "-01",
        "00-" + trace + "-" + parent + "_01",
        "00-0AF7651916CD43DD8448EB211C80319C-" + parent + "-01",
        "00-0af7651916cd43dd8448eb211c80319g-" + parent + "-01",
        "00-" + trace + "-B7AD6B7169203331-01",
        "00-" + trace + "-b7ad6b716920333 -01",
        "00-" + trace + "-" + parent + "-0A",
        "00-" + trace.substr(1) + "-" + parent + "-01-",
        "00-" + trace + "0-" + parent + "-01",
    }));
    CAPTURE(value);
    CHECK(trace_id(value).empty());
}

TEST_CASE("a head has a trace id if it has one traceparent, whatever the case of its name")
{
    const auto value = "00-" + trace + "-" + parent + "-01";
    const auto one = named("TraceParent", value);
    const auto host = named("Host", "router");
    const auto state = named("tracestate1", value);  // as long a name
    CHECK(trace_id({host, state, one}) == trace);
    CHECK(trace_id(HeaderFields{}).empty());
    CHECK(trace_id({host, state}).empty());
    CHECK(trace_id({one, host, one}).empty());
    CHECK(trace_id({one, named("traceparent", "")}).empty());
}
