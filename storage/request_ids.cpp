#include "storage/request_ids.hpp"

#include <algorithm>
#include <charconv>

#include "core/uuid.hpp"

namespace route::storage {

std::string request_id_prefix(SystemTime time)
{
    constexpr std::size_t of_milliseconds = 13;  // 8 digits, '-', 4 digits
    return uuid_v7(std::max(time, SystemTime{}), 0, 0).substr(0, of_milliseconds);
}

std::string least_request_id(SystemTime time)
{
    return request_id_prefix(time) + "-0000-0000-000000000000";
}

SystemTime time_of_request_id(std::string_view uuid)
{
    if (!is_uuid(uuid))
        return {};
    const auto digits = std::string{uuid.substr(0, 8)} + std::string{uuid.substr(9, 4)};
    std::uint64_t milliseconds = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), milliseconds, 16);
    return SystemTime{std::chrono::milliseconds{milliseconds}};
}

bool is_uuid(std::string_view text)
{
    constexpr std::string_view hyphens = "........-....-....-....-............";
    if (text.size() != hyphens.size())
        return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (hyphens[i] == '-'
                ? text[i] != '-'
                : std::string_view{"0123456789abcdefABCDEF"}.find(text[i]) == std::string_view::npos)
            return false;
    return true;
}

std::optional<std::int64_t> record_number(std::string_view text)
{
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return {};
    return number;
}

}  // namespace route::storage
