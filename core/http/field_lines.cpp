#include "core/http/field_lines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/http/websocket.hpp"

namespace route {

using boost::beast::http::field;

namespace {

bool less_ignoring_case(std::string_view a, std::string_view b)
{
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char x, char y) { return lower(x) < lower(y); });
}

}  // namespace

std::vector<std::string_view> nominated_fields(const HeaderFields& fields)
{
    std::vector<std::string_view> names;
    for (const auto& header : fields) {
        if (header.id != field::connection)
            continue;
        auto rest = header.value;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            auto name = rest.substr(0, comma);
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
            const auto begin = name.find_first_not_of(" \t");
            if (begin == std::string_view::npos)
                continue;
            name = name.substr(begin, name.find_last_not_of(" \t") - begin + 1);
            if (!equal_ignoring_case(name, "keep-alive") && !equal_ignoring_case(name, "close"))
                names.push_back(name);
        }
    }
    // Sorted: as many options as fit into a head times as many fields are too many comparisons.
    if (names.size() > 1)
        std::sort(names.begin(), names.end(), less_ignoring_case);
    return names;
}

bool nominated(const std::vector<std::string_view>& names, std::string_view name)
{
    return std::binary_search(names.begin(), names.end(), name, less_ignoring_case);
}

void write_number_field(std::string& out, std::string_view name, std::uint64_t value)
{
    const fmt::format_int digits{value};
    write_field(out, name, std::string_view{digits.data(), digits.size()});
}

void add_protocols(LineWriter& lines, const HeaderField& header, std::string_view key)
{
    const auto protocols = protocols_with_key(header.value, key);
    if (!protocols.empty())
        lines.add({header.id, header.name, protocols});
}

}  // namespace route
