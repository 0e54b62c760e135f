#include "core/uuid.hpp"

#include "tests/support/catch.hpp"

using namespace route;
using std::chrono::milliseconds;
using std::chrono::system_clock;

namespace {
system_clock::time_point at(std::int64_t unix_milliseconds)
{
    return system_clock::time_point{milliseconds{unix_milliseconds}};
}
}  // namespace

TEST_CASE("uuid_v7 writes the example of RFC 9562 A.6")
{
    CHECK(uuid_v7(at(0x017F22E279B0), 0xCC3, 0x18C4DC0C0C07398F) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST_CASE("uuid_v7 sets version and variant whatever the random bits are")
{
    CHECK(uuid_v7(at(0), 0, 0) == "00000000-0000-7000-8000-000000000000");
    CHECK(uuid_v7(at(0), ~0ull, ~0ull) == "00000000-0000-7fff-bfff-ffffffffffff");
    CHECK(uuid_v7(at(0x0123'4567'89ab), 0x123456, 0xfedcba9876543210) ==
          "01234567-89ab-7456-bedc-ba9876543210");
}

TEST_CASE("uuid_v7 sorts by time")
{
    CHECK(uuid_v7(at(1700000000000), ~0ull, ~0ull) < uuid_v7(at(1700000000001), 0, 0));
    CHECK(uuid_v7(at(1700000000000) + std::chrono::microseconds{999}, 1, 2) ==
          uuid_v7(at(1700000000000), 1, 2));
}
