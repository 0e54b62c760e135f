#include "app/unavailable.hpp"

#include <fmt/format.h>

#include <array>

namespace route {
namespace {

struct Unavailable
{
    std::string_view key;
    std::string_view value;  ///< the one value that is refused; "": any but the default
    std::string_view feature;
};

// A line goes when its feature arrives.
constexpr std::array unavailable{
    Unavailable{"notify.feishu_webhook", "", "messages"},
    Unavailable{"notify.feishu_secret", "", "messages"},
    Unavailable{"notify.matrix_homeserver", "", "messages"},
    Unavailable{"notify.matrix_room", "", "messages"},
    Unavailable{"notify.matrix_token", "", "messages"},
};

}  // namespace

Result<void> check_available(std::string_view key, std::string_view value)
{
    for (const auto& entry : unavailable)
        if (entry.key == key && !value.empty() && (entry.value.empty() || entry.value == value))
            return Invalid{
                fmt::format("this version has no {} yet: only the default is accepted", entry.feature)};
    return {};
}

}  // namespace route
