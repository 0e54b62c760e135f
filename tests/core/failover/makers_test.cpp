#include "core/failover/makers.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

IdHash id_number(std::uint64_t number)
{
    return hash_id("file-" + std::to_string(number));
}

}  // namespace

TEST_CASE("who made something is known by its id, and the last one noted counts")
{
    Makers makers;
    CHECK_FALSE(makers.find(id_number(1)));
    makers.note(id_number(1), maker_key("first"));
    makers.note(id_number(2), maker_key("second"));
    CHECK(makers.find(id_number(1)) == maker_key("first"));
    CHECK(makers.find(id_number(2)) == maker_key("second"));
    CHECK_FALSE(makers.find(id_number(3)));
    makers.note(id_number(1), maker_key("second"));
    CHECK(makers.find(id_number(1)) == maker_key("second"));
    CHECK(maker_key("first") != maker_key("second"));
    CHECK(maker_key("") != 0);
}

TEST_CASE("however many ids are noted, no more memory is taken than the bound says")
{
    Makers makers;
    const auto empty = makers.bytes();
    CHECK(empty < (64u << 10));
    makers.note(id_number(0), maker_key("first"));
    CHECK(makers.bytes() < (64u << 10) + 8192);
    // An id is 32 bytes of it: twice as many as fit.
    constexpr std::uint64_t ids = 2 * Makers::most_bytes / 32;
    IdHash id{};
    for (std::uint64_t i = 0; i < ids; ++i) {
        // As well spread as a hash, and much cheaper.
        for (std::size_t byte = 0; byte < id.size(); ++byte)
            id[byte] = static_cast<unsigned char>((i * 0x9e3779b97f4a7c15u) >> (byte % 8 * 8) ^ byte * i);
        makers.note(id, maker_key("first"));
    }
    CHECK(makers.bytes() <= Makers::most_bytes);
    CHECK(makers.find(id) == maker_key("first"));
}

TEST_CASE("threads that note and look up at once never see another's maker")
{
    Makers makers;
    constexpr std::uint64_t ids = 20'000;
    std::atomic<std::uint64_t> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t thread = 0; thread < 4; ++thread)
            threads.emplace_back([&] {
                for (std::uint64_t i = 0; i < ids; ++i) {
                    // All in few places, so that they meet there.
                    auto id = id_number(i);
                    for (std::size_t byte = 16; byte < 24; ++byte)
                        id[byte] = 0;
                    std::uint64_t maker = 0;
                    for (std::size_t byte = 0; byte < 8; ++byte)
                        maker = maker << 8 | id[byte];
                    makers.note(id, maker | 1);
                    if (const auto found = makers.find(id); found && *found != (maker | 1))
                        ++wrong;
                }
            });
    }
    CHECK(wrong == 0);
}
