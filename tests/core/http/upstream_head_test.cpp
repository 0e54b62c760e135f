#include "core/http/upstream_head.hpp"

#include <algorithm>
#include <chrono>

#include "tests/support/catch.hpp"

namespace route {

namespace {

using boost::beast::http::field;

/// A request that names `options` fields in Connection, and has `fields` others, every second of them named.
struct Nominating
{
    Nominating(int options, int count)
    {
        for (int i = 0; i < options; ++i)
            connection += (i == 0 ? "x-n" : ", X-N") + std::to_string(i);
        for (int i = 0; i < count; ++i)
            names.push_back((i % 2 == 0 ? "x-n" : "x-other") + std::to_string(i));
        fields.push_back({field::connection, "Connection", connection});
        for (const auto& name : names)
            fields.push_back({field::unknown, name, "value"});
    }
    Nominating(const Nominating&) = delete;
    Nominating& operator=(const Nominating&) = delete;

    std::string head() const
    {
        Upstream upstream;
        std::string out;
        write_upstream_head(out, {"GET", "/v1/models", {}, fields, {}}, upstream);
        return out;
    }

    std::string connection;
    std::vector<std::string> names;
    HeaderFields fields;
};

/// The quickest of several tries: what else the machine does counts less.
std::chrono::nanoseconds time_of(const Nominating& request)
{
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 7; ++i) {
        const auto start = std::chrono::steady_clock::now();
        CHECK_FALSE(request.head().empty());
        least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - start);
    }
    return least;
}

}  // namespace

TEST_CASE("of thousands of options in Connection each takes its field away, and no other")
{
    const Nominating request{8000, 250};
    const auto head = request.head();
    for (std::size_t i = 0; i < request.names.size(); ++i)
        CHECK((head.find(request.names[i] + ": value") != std::string::npos) == (i % 2 == 1));
}

TEST_CASE("options in Connection cost what their bytes cost, whatever the number of other fields")
{
    const auto few = time_of({1000, 31});
    const auto many = time_of({8000, 250});
    CHECK(many < 30 * few);  // 64 times, if each were compared with each
}

}  // namespace route
