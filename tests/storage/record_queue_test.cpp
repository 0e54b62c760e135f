#include "storage/record_queue.hpp"

#include <thread>
#include <vector>

#include "storage/sleeper.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<QueuedRecord> numbered(std::string ip, std::size_t number)
{
    auto record = std::make_unique<QueuedRecord>();
    record->record.ip = std::move(ip);
    record->bytes = number;
    return record;
}

}  // namespace

TEST_CASE("a queue gives in the order in which it was given")
{
    RecordQueue queue;
    CHECK(queue.empty());
    for (std::size_t i = 0; i < 5; ++i)
        queue.push(numbered("", i));
    std::string order;
    queue.take_all([&](auto record) { order += std::to_string(record->bytes); });
    CHECK(order == "01234");
    CHECK(queue.empty());
    queue.push(numbered("", 7));  // freed with the queue
}

TEST_CASE("records that were written are used again, empty, with the memory of their strings")
{
    SpareRecords spares;
    CHECK(spares.take_all().empty());
    auto record = numbered(std::string(100, 'i'), 1);
    record->record.body = std::string(2000, 'b');
    record->record.model = "m";
    record->record.prompt_tokens = 1;
    record->record.attempts.resize(2);
    record->record.client_keys.push_back(std::make_shared<const std::string>("secret"));
    record->record.reply.raw = std::string(1000, 'r');
    record->stored = [] {};
    spares.give(std::move(record));

    auto chain = spares.take_all();
    const auto again = chain.pop();
    REQUIRE(again);
    CHECK(chain.empty());
    CHECK_FALSE(again->stored);
    CHECK(again->record.body.capacity() >= 2000);
    CHECK(again->record.reply.raw.capacity() >= 1000);
    CHECK(again->record.body.empty());
    CHECK(again->record.ip.empty());
    CHECK(again->record.reply.raw.empty());
    CHECK(again->record.attempts.empty());
    CHECK_FALSE(again->record.model);
    CHECK_FALSE(again->record.prompt_tokens);
    CHECK(again->record.client_keys.empty());
}

TEST_CASE("no more memory is kept for records to come than is worth it")
{
    SpareRecords spares;
    auto large = numbered("", 0);
    large->record.body = std::string(SpareRecords::most_bytes, 'b');
    spares.give(std::move(large));
    CHECK(spares.take_all().empty());
    for (std::size_t i = 0; i < SpareRecords::most + 10; ++i)
        spares.give(numbered("", i));
    std::size_t kept = 0;
    for (auto chain = spares.take_all(); chain.pop();)
        ++kept;
    CHECK(kept == SpareRecords::most);
}

TEST_CASE("four producers lose nothing, keep their order and never leave the taker asleep")
{
    constexpr std::size_t producers = 4;
    constexpr std::size_t each = 5000;
    RecordQueue queue;
    Sleeper sleeper;
    std::vector<std::thread> threads;
    for (std::size_t p = 0; p < producers; ++p)
        threads.emplace_back([&, p] {
            for (std::size_t i = 0; i < each; ++i) {
                queue.push(numbered(std::to_string(p), i));
                sleeper.wake(Sleeper::Call::any);
            }
        });
    std::vector<std::size_t> next(producers, 0);
    std::size_t taken = 0;
    bool in_order = true;
    while (taken < producers * each) {
        sleeper.sleep(Sleeper::Call::any, Sleeper::TimePoint::max(), [&] { return !queue.empty(); });
        queue.take_all([&](auto record) {
            in_order = in_order && record->bytes == next[std::stoul(record->record.ip)]++;
            ++taken;
        });
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(in_order);
    CHECK(queue.empty());
}

TEST_CASE("a sleeper sleeps until its time, or until what is urgent")
{
    Sleeper sleeper;
    const auto never = [] { return false; };
    const auto start = std::chrono::steady_clock::now();
    sleeper.sleep(Sleeper::Call::any, start + 5ms, never);
    CHECK(std::chrono::steady_clock::now() >= start + 5ms);

    std::atomic<bool> asleep{false};
    std::atomic<bool> woken{false};
    std::thread thread{[&] {
        sleeper.sleep(Sleeper::Call::urgent, Sleeper::TimePoint::max(), [&] {
            asleep = true;
            return false;
        });
        woken = true;
    }};
    while (!asleep)
        std::this_thread::yield();
    sleeper.wake(Sleeper::Call::any);
    CHECK_FALSE(woken);
    sleeper.wake(Sleeper::Call::urgent);
    thread.join();
    CHECK(woken);
}
