#include "app/cli/json.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <ostream>
#include <utility>

#include "core/text.hpp"

namespace route::cli {
namespace {

/// As boost::json::serialize(), but for numbers with a fraction: 0.25, not 2.5E-1.
void append(std::string& text, const boost::json::value& value)
{
    if (value.is_double()) {
        text += fmt::format("{}", value.get_double());
    } else if (const auto* array = value.if_array()) {
        const char* before = "[";
        for (const auto& element : *array) {
            text += std::exchange(before, ",");
            append(text, element);
        }
        text += array->empty() ? "[]" : "]";
    } else if (const auto* object = value.if_object()) {
        const char* before = "{";
        for (const auto& [name, member] : *object) {
            text += std::exchange(before, ",");
            text += boost::json::serialize(name) + ':';
            append(text, member);
        }
        text += object->empty() ? "{}" : "}";
    } else {
        text += boost::json::serialize(value);
    }
}

}  // namespace

boost::json::value json_text(const std::string& text)
{
    return boost::json::value(clean_utf8(text));
}

boost::json::value json_seconds(const std::optional<Seconds>& seconds)
{
    if (!seconds)
        return nullptr;
    const double count = seconds->count();
    if (std::trunc(count) == count && std::abs(count) < 1e15)
        return boost::json::value(static_cast<std::int64_t>(count));
    return boost::json::value(count);
}

boost::json::value json_ms(Nanoseconds time)
{
    const double milliseconds = std::chrono::duration<double, std::milli>{time}.count();
    return boost::json::value(std::round(milliseconds * 1000) / 1000);
}

std::string json_line(const boost::json::value& value)
{
    std::string text;
    append(text, value);
    return text;
}

void print_json(std::ostream& out, const boost::json::value& value)
{
    out << json_line(value) << '\n';
}

}  // namespace route::cli
