#pragma once

// Catch2 2 (Debian 12) and 3 (Debian 13).
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Matchers::ContainsSubstring;
#else
#include <catch2/catch.hpp>
namespace Catch {
inline auto ContainsSubstring(const std::string& text)
{
    return Matchers::Contains(text);
}
}  // namespace Catch
using Catch::ContainsSubstring;
#endif
