#include "app/cli/json.hpp"

#include <boost/json/serialize.hpp>
#include <cmath>
#include <ostream>

#include "core/text.hpp"

namespace route::cli {

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

void print_json(std::ostream& out, const boost::json::value& value)
{
    out << boost::json::serialize(value) << '\n';
}

}  // namespace route::cli
