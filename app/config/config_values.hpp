#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/settings.hpp"

namespace route {

// The notations of openai-api-route.toml and of the command line. A refusal says what was expected.

/// No number of seconds may be larger: sums with a clock must not overflow.
constexpr double longest_seconds = 1e8;

/// An upstream's priority is from -most to most, its weight from 0 to most.
constexpr int most_priority_or_weight = 1'000'000;

/// Bytes: a whole number, alone or followed by B, KiB, MiB or GiB.
Result<std::uint64_t> parse_size(std::string_view text);

/// The same in the largest unit that divides it: "64MiB".
std::string format_size(std::uint64_t bytes);

/// A whole number above 0 and s, m, h, d or w: "30d".
Result<Seconds> parse_duration(std::string_view text);
std::string format_duration(Seconds duration);

/// HOST:PORT, :PORT or [IPV6]:PORT.
Result<ListenAddress> parse_listen(std::string_view text);

/// An address range "10.0.0.0/8", "fd00::/8", or one address.
bool valid_network(std::string_view text);

/// A name the shell could give a variable.
bool valid_variable_name(std::string_view name);

bool has_control_characters(std::string_view text);

/// A client key of fewer characters can be guessed: none is added, those there are go on with a warning.
constexpr std::size_t shortest_client_key = 16;

/// A client key that can come in a header: visible, no blanks.
bool valid_client_key(std::string_view key);

/// A client key's name: 1 to 64 bytes of UTF-8 without control characters, no blanks at its ends.
bool valid_key_name(std::string_view name);

bool is_postgres_url(std::string_view text);

/// Whether user and password of such a URL are written as they must be: of their own '@', '/', '?' and '#'
/// libpq would make something else, and name it.
bool has_encoded_user(std::string_view postgres_url);

/// A URL fit to be shown: the password, in the user information or as `password=` of the query, becomes `…`.
std::string mask_url(std::string_view url);

/// A setting `proxy` fit to be shown: a user without a password may be a token, and becomes `…` as well.
std::string mask_proxy(std::string_view setting);

/// An upstream's headers fit to be shown: the values of those that are secret as keys are.
std::map<std::string, std::string> mask_headers(std::map<std::string, std::string> headers);

}  // namespace route
