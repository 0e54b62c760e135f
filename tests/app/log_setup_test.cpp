#include "app/log/log_setup.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <new>
#include <string>

#include "tests/support/catch.hpp"

namespace {

/// For want of memory no text can be made of it.
struct TooLarge
{
};

}  // namespace

template <>
struct fmt::formatter<TooLarge>
{
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
    template <class Context>
    auto format(const TooLarge&, Context& context) const -> decltype(context.out())
    {
        throw std::bad_alloc{};
    }
};

namespace route {
namespace {

/// A pipe in the place of standard error.
class ErrorPipe
{
  public:
    ErrorPipe()
    {
        REQUIRE(::pipe(ends_.data()) == 0);
        REQUIRE(::dup2(ends_[1], STDERR_FILENO) == STDERR_FILENO);
        ::close(ends_[1]);
    }
    ~ErrorPipe()
    {
        ::dup2(before_, STDERR_FILENO);
        ::close(before_);
        ::close(ends_[0]);
    }
    ErrorPipe(const ErrorPipe&) = delete;
    ErrorPipe& operator=(const ErrorPipe&) = delete;

    std::string read() const
    {
        std::array<char, 65536> text{};
        const auto count = ::read(ends_[0], text.data(), text.size());
        REQUIRE(count > 0);
        return {text.data(), static_cast<std::size_t>(count)};
    }

  private:
    int before_ = ::dup(STDERR_FILENO);
    std::array<int, 2> ends_{};
};

TEST_CASE("a line that cannot be made is counted, and nobody writes to standard error for it")
{
    const ErrorPipe pipe;
    set_up_logging({});
    start_log_thread();
    spdlog::warn("{}", TooLarge{});
    CHECK(dropped_log_lines() == 1);
    say("the next\n");
    flush_log(std::chrono::seconds{60});
    const auto written = pipe.read();
    CHECK(written.starts_with("the next\n"));
    CHECK_THAT(written, ContainsSubstring("1 line of the log was dropped"));
}

}  // namespace
}  // namespace route
