#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace route::cli {

/// Columns a terminal shows `text` in.
std::size_t display_width(std::string_view text);

/// Text of many lines fit for a terminal: control characters other than line feed and tab, and bytes that are
/// not UTF-8, become U+FFFD.
std::string terminal_text(std::string text);

/// The beginning of `text` that fits into so many columns, `…` at a cut included.
std::string cut_to_width(std::string_view text, std::size_t columns);

/// What the cells marked '~' of a row say.
enum class Tone
{
    plain,
    good,
    bad
};

/// A table for people: columns as wide as their widest cell, two blanks between them. On a terminal it fits
/// its width: long cells are cut, columns of least worth left out.
class Table
{
  public:
    /// A title may begin with marks: '>' for a right-aligned column, which is not cut, '=' for another that
    /// is not, '?' for one to leave out first where there is no room (the last of them first), '~' for cells
    /// in the colour of their row's tone.
    explicit Table(const std::vector<std::string>& titles);

    /// One cell per column; control characters are escaped.
    void row(std::vector<std::string> cells, Tone tone = Tone::plain);

    /// Cuts to the width of a terminal, if `out` is one.
    void print(std::ostream& out) const;

    /// Cuts nothing.
    void print_whole(std::ostream& out) const;

    /// `columns`: what there is room for; 0 for any width.
    void print(std::ostream& out, std::size_t columns, bool colour) const;

  private:
    friend class RunningTable;

    struct Column
    {
        bool right = false;
        bool whole = false;
        bool spare = false;
        bool toned = false;
    };
    struct Row
    {
        std::vector<std::string> cells;
        Tone tone = Tone::plain;
    };
    using Widths = std::vector<std::optional<std::size_t>>;  ///< none: the column is left out

    void widen(std::vector<std::size_t>& widths, const Row& row) const;
    Widths fit(const std::vector<std::size_t>& wanted, std::size_t columns) const;
    void print_row(std::ostream& out, const Row& row, const Widths& widths, bool colour) const;

    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

/// A table whose rows are printed as they come: its columns only get wider.
class RunningTable
{
  public:
    /// `least`: of each column, so that the first rows are aligned with what usually follows.
    RunningTable(const std::vector<std::string>& titles, std::vector<std::size_t> least);

    /// The titles come with the first row.
    void print_row(std::ostream& out, std::vector<std::string> cells, Tone tone = Tone::plain);

  private:
    Table table_;
    std::vector<std::size_t> widths_;
    bool begun_ = false;
};

}  // namespace route::cli
