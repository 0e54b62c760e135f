#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/failover/cooldown.hpp"
#include "core/record.hpp"
#include "core/settings.hpp"

namespace route {

// The lines that requests lead to, each without its end. Text from outside is escaped and cut. In text, what
// is not known is left out, and values that hold blanks or quotes are quoted. JSON is the whole line of the
// log; its members stay as they are named here, `null` where not known, and others may be added.

/// About a finished request, of level info.
///
/// Text: `REQUEST_ID IP METHOD PATH status=… outcome=… model=… upstream=… attempts=… ms=… first_byte_ms=…
/// tokens=… key=… trace=… error=…`.
///
/// JSON: time (when the request came), level, msg ("request"), request_id, trace_id, ip, method, path, model,
/// upstream, attempts (count), status, outcome, elapsed_ms, first_byte_ms, prompt_tokens, completion_tokens,
/// total_tokens, key_name, error.
std::string access_line(const Record& record, LogFormat format);

/// About each attempt of a finished request after which another one was made, of level warning.
///
/// Text: `REQUEST_ID failover from=… to=… model=… reason=… attempt=… ms=… trace=…`.
///
/// JSON: time (when the attempt had failed), level, msg ("failover"), request_id, trace_id, model, upstream,
/// next, attempt, outcome, status, reason, elapsed_ms (of the attempt).
std::vector<std::string> failover_lines(const Record& record, LogFormat format);

/// About an upstream that is tried last from `now` on, of level warning.
///
/// JSON: time, level, msg ("cooldown"), upstream, model (null: all), cause ("failures" or "retry_after"),
/// failures (in a row), outcome, status, reason (of the last attempt), seconds (how long).
std::string cooldown_line(const CooldownStart& start, SystemTime now, LogFormat format);

/// About an upstream that answers again, of level info.
///
/// JSON: time, level, msg ("recovered"), upstream, model (null: all), away_seconds.
std::string recovery_line(const CooldownEnd& end, SystemTime now, LogFormat format);

}  // namespace route
