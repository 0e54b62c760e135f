#pragma once

#include "core/failover/upstream.hpp"
#include "core/settings.hpp"

namespace route {

/// The variable whose upstream the first start stores: references to it always resolve (SPEC 3).
inline constexpr auto api_key_variable = "OPENAI_API_KEY";

/// Whether `text` is `env:NAME` or `file:PATH`.
bool is_secret_reference(std::string_view text);

/// Resolves without restriction: for the operator's own configuration file and command line.
SecretResolver unrestricted_secrets();

/// Resolves only OPENAI_API_KEY, variables named in `secrets.env` and files under `secrets.directory`
/// (symbolic links and
/// `..` followed first; a relative path is relative to it): for database rows, which others may write.
SecretResolver restricted_secrets(const SecretSettings& settings);

/// Gives any reference a made-up value, fit for a key and for a proxy: for checking a definition where these
/// do not matter.
SecretResolver unresolved_secrets();

}  // namespace route
