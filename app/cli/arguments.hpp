#pragma once

#include <string>
#include <vector>

namespace route::cli {

/// The arguments (without the program's name) in this version's form. Command lines of v0.3.0, which had
/// flags only, become commands:
/// `-add -sk K -endpoint U` → `upstream add …`, `-list` → `upstream list`, anything else of `-addr A`,
/// `-database D`, `-noauth` → `serve …`; as in Go, one dash or two, `-flag value` or `-flag=value`. Without
/// any command `serve` is meant; throws wrong usage for a key or an endpoint without `-add` or `-list`.
std::vector<std::string> modern_arguments(const std::vector<std::string>& arguments);

}  // namespace route::cli
