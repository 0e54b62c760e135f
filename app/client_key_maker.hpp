#pragma once

#include <string>

namespace route {

/// A new client key: `sk-route-` and 256 random bits as 43 characters of base64url. Throws std::runtime_error
/// when there is no randomness.
std::string make_client_key();

}  // namespace route
