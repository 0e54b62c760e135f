#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace route::cli {

/// Columns a terminal shows `text` in.
std::size_t display_width(std::string_view text);

/// Text of many lines fit for a terminal: control characters other than line feed and tab, and bytes that are
/// not UTF-8, become U+FFFD.
std::string terminal_text(std::string text);

/// A table for people: columns as wide as their widest cell, two blanks between them.
class Table
{
  public:
    /// A title that begins with '>' makes its column right-aligned.
    explicit Table(std::vector<std::string> titles);

    /// One cell per column; control characters are escaped.
    void row(std::vector<std::string> cells);

    void print(std::ostream& out) const;

  private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace route::cli
