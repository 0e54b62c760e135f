#include "core/http/header_fields.hpp"

#include "core/text.hpp"

namespace route {

using boost::beast::http::field;

std::string_view find_field(const HeaderFields& fields, field id)
{
    for (const auto& header : fields)
        if (header.id == id)
            return header.value;
    return {};
}

std::string_view find_field(const HeaderFields& fields, std::string_view name)
{
    for (const auto& header : fields)
        if (equal_ignoring_case(header.name, name))
            return header.value;
    return {};
}

}  // namespace route
