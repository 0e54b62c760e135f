#pragma once

#include <string>

#include "core/record.hpp"
#include "core/settings.hpp"

namespace route {

/// One line about a finished request, without its end. Text from outside is escaped and cut.
///
/// Text: `REQUEST_ID IP METHOD PATH status=… outcome=… model=… upstream=… attempts=… ms=… first_byte_ms=…
/// tokens=… key=… error=…`; what is not known is left out, values that hold blanks or quotes are quoted.
///
/// JSON: the whole line of the log, with these members, `null` where not known:
///   time (when the request came), level ("info"), msg ("request"), request_id, ip, method, path, model,
///   upstream, attempts (count), status, outcome, elapsed_ms, first_byte_ms, prompt_tokens,
///   completion_tokens, total_tokens, key_name, error.
std::string access_line(const Record& record, LogFormat format);

}  // namespace route
