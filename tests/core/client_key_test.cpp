#include "core/client_key.hpp"

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("hash_key is SHA-256")
{
    // FIPS 180-4 examples
    CHECK(to_hex(hash_key("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(hash_key("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("from_hex reads what to_hex writes and nothing else")
{
    const auto hash = hash_key("woshimima");
    const auto text = to_hex(hash);
    KeyHash read{};
    REQUIRE(from_hex(text, read));
    CHECK(read == hash);

    auto upper = text;
    for (auto& c : upper)
        c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    KeyHash from_upper{};
    REQUIRE(from_hex(upper, from_upper));
    CHECK(from_upper == hash);

    const KeyHash untouched = read;
    for (const auto& bad : {std::string{}, text.substr(1), text + "0", text.substr(2) + "0g",
                            text.substr(2) + "/0", text.substr(2) + " 1", std::string(64, '\xff')})
        CHECK_FALSE(from_hex(bad, read));
    CHECK(read == untouched);
}

TEST_CASE("find_key finds the key by its hash")
{
    std::vector<ClientKey> keys;
    CHECK(find_key(keys, hash_key("a")) == nullptr);
    for (const auto* name : {"a", "b", "c"})
        keys.push_back({.id = static_cast<std::int64_t>(keys.size()), .name = name, .hash = hash_key(name)});
    for (const auto& key : keys)
        CHECK(find_key(keys, hash_key(key.name)) == &key);
    CHECK(find_key(keys, hash_key("d")) == nullptr);
    CHECK(find_key(keys, KeyHash{}) == nullptr);
}
