#pragma once

#include <ostream>
#include <string>

namespace route::cli {

/// A recorded body or reply under its title, JSON laid out; unless `full` its first 4 KiB, and that it was
/// cut. Nothing when it is empty.
void show_body(std::ostream& out, const char* title, const std::string& text, bool full);

}  // namespace route::cli
