#pragma once

#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route::metrics {

/// A successful chat request by upstream "a".
inline Record chat(std::string model = "gpt-4o")
{
    AttemptRecord attempt;
    attempt.upstream_name = std::string(1, 'a');
    attempt.outcome = AttemptOutcome::ok;
    Record record;
    record.path = "/v1/chat/completions";
    record.model = std::move(model);
    record.status = 200;
    record.outcome = RequestOutcome::ok;
    record.upstream_name = attempt.upstream_name;
    record.response_time = std::chrono::milliseconds{400};
    record.elapsed_time = std::chrono::seconds{2};
    record.overhead = std::chrono::microseconds{30};
    record.attempts = {attempt};
    return record;
}

inline std::string model_name(int number)
{
    std::string name{"model-"};
    return name.append(std::to_string(number));
}

/// Begins with a line's end, so that every line of `text` stands between two.
inline std::string after_line_end(std::string_view text)
{
    std::string result(1, '\n');
    return result.append(text);
}

/// Whether the exposition has exactly this line.
inline bool has_line(std::string_view text, std::string_view line)
{
    return after_line_end(text).find(after_line_end(line).append(1, '\n')) != std::string::npos;
}

inline std::size_t count_lines(std::string_view text, std::string_view beginning)
{
    std::size_t count = 0;
    const auto whole = after_line_end(text);
    const auto wanted = after_line_end(beginning);
    for (auto at = whole.find(wanted); at != whole.npos; at = whole.find(wanted, at + 1))
        ++count;
    return count;
}

}  // namespace route::metrics
