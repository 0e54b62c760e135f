#include "app/log/log_queue.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace route {
namespace {

/// Longer than anything here may take.
constexpr std::chrono::seconds long_enough{60};

std::string notice(std::uint64_t lines)
{
    return fmt::format("{} dropped\n", lines);
}

/// A pipe that takes one page and is read only when a test does.
class SmallPipe
{
  public:
    SmallPipe()
    {
        REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
        REQUIRE(::fcntl(ends_[1], F_SETPIPE_SZ, 4096) == 4096);
    }
    ~SmallPipe()
    {
        close_reader();
        ::close(ends_[1]);
    }
    SmallPipe(const SmallPipe&) = delete;
    SmallPipe& operator=(const SmallPipe&) = delete;

    int writer() const { return ends_[1]; }

    /// All that comes until it ends with `end`.
    std::string read_until(std::string_view end)
    {
        std::string text;
        std::array<char, 4096> buffer{};
        while (!text.ends_with(end)) {
            const auto count = ::read(ends_[0], buffer.data(), buffer.size());
            if (count <= 0)
                break;
            text.append(buffer.data(), static_cast<std::size_t>(count));
        }
        return text;
    }

    void close_reader()
    {
        if (ends_[0] >= 0)
            ::close(ends_[0]);
        ends_[0] = -1;
    }

  private:
    std::array<int, 2> ends_{-1, -1};
};

TEST_CASE("lines are written in their order once the queue is woken")
{
    SmallPipe pipe;
    LogQueue queue{pipe.writer(), notice};
    queue.append("one\n");
    queue.append("two\nthree\n");
    CHECK(queue.flush(long_enough));
    CHECK(pipe.read_until("three\n") == "one\ntwo\nthree\n");
    CHECK(queue.dropped() == 0);
}

TEST_CASE("many lines are written without a wake")
{
    SmallPipe pipe;
    LogQueue queue{pipe.writer(), notice};
    const std::string line(1023, 'x');
    for (int i = 0; i < 63; ++i)
        queue.append(line + "\n");
    queue.append(line + "last\n");
    CHECK(pipe.read_until("last\n").size() == 63 * 1024 + 1028);
}

TEST_CASE("what does not fit while nobody reads is dropped and counted, and nobody waits")
{
    constexpr std::size_t bound = 16u << 10;
    SmallPipe pipe;
    LogQueue queue{pipe.writer(), notice, bound};
    const std::string line = std::string(511, 'x') + "\n";
    constexpr std::uint64_t appended = 100;
    for (std::uint64_t i = 0; i < appended; ++i) {
        queue.append(line);
        queue.wake();
    }
    CHECK_FALSE(queue.flush(std::chrono::milliseconds{1}));
    const auto dropped = queue.dropped();
    // As much as the bound and the pipe hold was taken; how fast the thread fills the pipe is not said.
    CHECK(dropped >= appended - (bound + 4096) / line.size());
    CHECK(dropped <= appended - bound / line.size());

    // Once somebody reads, the lines that were taken come, and where lines are missing how many.
    std::uint64_t taken = 0;
    std::uint64_t missing = 0;
    while (taken + missing < appended) {
        std::istringstream text{pipe.read_until("\n")};
        for (std::string read; std::getline(text, read);) {
            if (read.front() == 'x')
                ++taken;
            else
                missing += std::stoul(read);
        }
    }
    CHECK(taken == appended - dropped);
    CHECK(missing == dropped);
    CHECK(queue.flush(long_enough));  // what was read counts as waiting until the thread has gone on
    queue.append("again\n");
    CHECK(queue.flush(long_enough));
    CHECK(pipe.read_until("again\n") == "again\n");
}

TEST_CASE("lines that nobody can read any more are counted")
{
    SmallPipe pipe;
    pipe.close_reader();
    LogQueue queue{pipe.writer(), notice};
    queue.append("one\ntwo\n");
    CHECK(queue.flush(long_enough));
    CHECK(queue.dropped() == 2);
}

TEST_CASE("once lines can be written again all that were lost are told of")
{
    SmallPipe broken;
    broken.close_reader();
    SmallPipe mended;
    const int descriptor = ::dup(broken.writer());
    REQUIRE(descriptor >= 0);
    LogQueue queue{descriptor, notice};
    for (int i = 0; i < 3; ++i) {
        queue.append("one\ntwo\nthree\n");
        CHECK(queue.flush(long_enough));
    }
    queue.count_dropped();
    CHECK(queue.dropped() == 10);
    REQUIRE(::dup2(mended.writer(), descriptor) == descriptor);
    queue.append("after\n");
    queue.wake();
    CHECK(mended.read_until("dropped\n") == "after\n10 dropped\n");
    CHECK(queue.dropped() == 10);
}

TEST_CASE("a queue whose thread is held up ends all the same")
{
    SmallPipe pipe;
    auto queue = std::make_unique<LogQueue>(pipe.writer(), notice);
    queue->append(std::string(32u << 10, 'x') + "end\n");
    CHECK_FALSE(queue->flush(std::chrono::milliseconds{1}));
    queue.reset();
    CHECK(pipe.read_until("end\n").size() == (32u << 10) + 4);  // the thread, left behind, goes on
}

TEST_CASE("a non-blocking descriptor takes all lines in the end")
{
    SmallPipe pipe;
    REQUIRE(::fcntl(pipe.writer(), F_SETFL, O_NONBLOCK) == 0);
    LogQueue queue{pipe.writer(), notice};
    queue.append(std::string(32u << 10, 'x') + "end\n");
    queue.wake();
    CHECK(pipe.read_until("end\n").size() == (32u << 10) + 4);
}

TEST_CASE("lines of several threads stay whole")
{
    SmallPipe pipe;
    LogQueue queue{pipe.writer(), notice};
    std::vector<std::thread> threads;
    for (const char name : {'a', 'b', 'c'})
        threads.emplace_back([&queue, line = std::string(40, name) + "\n"] {
            for (int i = 0; i < 20; ++i) {
                queue.append(line);
                queue.wake();
            }
        });
    for (auto& thread : threads)
        thread.join();
    queue.append("end\n");
    queue.wake();
    auto text = pipe.read_until("end\n");
    CHECK(text.size() == 3 * 20 * 41 + 4);
    for (std::size_t at = 0; at + 4 < text.size(); at += 41)
        CHECK(text.substr(at, 41) == std::string(40, text[at]) + "\n");
}

}  // namespace
}  // namespace route
