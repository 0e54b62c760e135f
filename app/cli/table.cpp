#include "app/cli/table.hpp"

#include <locale.h>

#include <algorithm>
#include <clocale>
#include <cwchar>
#include <ostream>
#include <utility>

#include "app/cli/terminal.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

/// Makes wcwidth() know Unicode in this thread, whatever the process's locale is.
class Utf8Locale
{
  public:
    Utf8Locale()
    {
        static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
        if (utf8 != nullptr)
            previous_ = uselocale(utf8);
    }
    ~Utf8Locale()
    {
        if (previous_ != nullptr)
            uselocale(previous_);
    }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

  private:
    locale_t previous_ = nullptr;
};

std::size_t width_of(std::string_view text)
{
    std::size_t width = 0;
    std::mbstate_t state{};
    while (!text.empty()) {
        wchar_t character = 0;
        const auto size = std::mbrtowc(&character, text.data(), text.size(), &state);
        if (size == 0 || size > text.size()) {
            state = {};
            text.remove_prefix(1);
            ++width;
            continue;
        }
        const int columns = wcwidth(character);
        width += columns > 0 ? static_cast<std::size_t>(columns) : 0;
        text.remove_prefix(size);
    }
    return width;
}

constexpr std::string_view marks = ">=?~";
constexpr std::size_t gap = 2;
constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view plain = "\x1b[0m";

std::size_t next_character(std::string_view text, std::size_t position)
{
    ++position;
    while (position < text.size() && (static_cast<unsigned char>(text[position]) & 0xc0) == 0x80)
        ++position;
    return position;
}

}  // namespace

std::size_t display_width(std::string_view text)
{
    const Utf8Locale locale;
    return width_of(text);
}

std::string terminal_text(std::string text)
{
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    const std::string clean = clean_utf8(std::move(text));
    std::string result;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        const auto byte = static_cast<unsigned char>(clean[i]);
        // C1 controls are two bytes: 0xC2 and 0x80 to 0x9F.
        const bool c1 = byte == 0xc2 && static_cast<unsigned char>(clean[i + 1]) < 0xa0;
        if (c1 || byte == 0x7f || (byte < 0x20 && byte != '\n' && byte != '\t'))
            result += replacement;
        else
            result.push_back(clean[i]);
        if (c1)
            ++i;
    }
    return result;
}

std::string cut_to_width(std::string_view text, std::size_t columns)
{
    const Utf8Locale locale;
    if (width_of(text) <= columns)
        return std::string{text};
    std::size_t end = 0;
    // A character is looked at with those before it: combining ones have no width.
    for (auto next = next_character(text, 0); width_of(text.substr(0, next)) < columns;
         next = next_character(text, end))
        end = next;
    return std::string{text.substr(0, end)} + "…";
}

Table::Table(const std::vector<std::string>& titles)
{
    Row row;
    for (std::string_view title : titles) {
        Column column;
        for (; !title.empty() && marks.find(title.front()) != std::string_view::npos;
             title.remove_prefix(1)) {
            column.right = column.right || title.front() == '>';
            column.whole = column.whole || title.front() == '>' || title.front() == '=';
            column.spare = column.spare || title.front() == '?';
            column.toned = column.toned || title.front() == '~';
        }
        columns_.push_back(column);
        row.cells.emplace_back(title);
    }
    rows_.push_back(std::move(row));
}

void Table::row(std::vector<std::string> cells, Tone tone)
{
    for (auto& cell : cells)
        cell = escape_for_log(cell);
    rows_.push_back({std::move(cells), tone});
}

void Table::print(std::ostream& out) const
{
    const auto& terminal = terminal_of(out);
    print(out, terminal.columns, terminal.colour);
}

void Table::print_whole(std::ostream& out) const
{
    print(out, 0, terminal_of(out).colour);
}

void Table::print(std::ostream& out, std::size_t columns, bool colour) const
{
    std::vector<std::size_t> wanted(columns_.size());
    for (const auto& row : rows_)
        widen(wanted, row);
    const auto widths = fit(wanted, columns);
    for (const auto& row : rows_)
        print_row(out, row, widths, colour);
}

void Table::widen(std::vector<std::size_t>& widths, const Row& row) const
{
    const Utf8Locale locale;
    for (std::size_t i = 0; i < row.cells.size(); ++i)
        widths[i] = std::max(widths[i], width_of(row.cells[i]));
}

Table::Widths Table::fit(const std::vector<std::size_t>& wanted, std::size_t columns) const
{
    constexpr std::size_t least = 8;  // a cell of less says nothing
    std::vector<bool> there(wanted.size(), true);
    while (true) {
        Widths widths;
        std::size_t total = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            widths.push_back(there[i] ? std::optional{wanted[i]} : std::nullopt);
            total += there[i] ? wanted[i] + (total > 0 ? gap : 0) : 0;
        }
        const auto widest = [&] {
            std::optional<std::size_t> found;
            for (std::size_t i = 0; i < widths.size(); ++i)
                if (widths[i] && !columns_[i].whole && *widths[i] > least &&
                    (!found || *widths[i] > *widths[*found]))
                    found = i;
            return found;
        };
        for (auto cut = widest(); columns > 0 && total > columns && cut; cut = widest()) {
            --*widths[*cut];
            --total;
        }
        if (columns == 0 || total <= columns)
            return widths;
        std::optional<std::size_t> spare;
        for (std::size_t i = 0; i < there.size(); ++i)
            if (there[i] && columns_[i].spare)
                spare = i;
        if (!spare)
            return widths;  // a terminal as narrow as this breaks the lines
        there[*spare] = false;
    }
}

void Table::print_row(std::ostream& out, const Row& row, const Widths& widths, bool colour) const
{
    std::string line;
    std::size_t owed = 0;  // blanks, which are not printed at the end of a line
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
        if (!widths[i])
            continue;
        const auto cell = cut_to_width(row.cells[i], *widths[i]);
        const auto padding = *widths[i] - std::min(*widths[i], display_width(cell));
        if (columns_[i].right)
            owed += padding;
        if (!cell.empty()) {
            line.append(std::exchange(owed, 0), ' ');
            const bool toned = colour && columns_[i].toned && row.tone != Tone::plain;
            if (toned)
                line += row.tone == Tone::good ? green : red;
            line += cell;
            if (toned)
                line += plain;
        }
        owed += (columns_[i].right ? 0 : padding) + gap;
    }
    out << line << '\n';
}

RunningTable::RunningTable(const std::vector<std::string>& titles, std::vector<std::size_t> least)
    : table_{titles}, widths_{std::move(least)}
{
    table_.widen(widths_, table_.rows_.front());
}

void RunningTable::print_row(std::ostream& out, std::vector<std::string> cells, Tone tone)
{
    const auto& terminal = terminal_of(out);
    table_.rows_.resize(1);
    table_.row(std::move(cells), tone);
    table_.widen(widths_, table_.rows_.back());
    const auto widths = table_.fit(widths_, terminal.columns);
    if (!std::exchange(begun_, true))
        table_.print_row(out, table_.rows_.front(), widths, terminal.colour);
    table_.print_row(out, table_.rows_.back(), widths, terminal.colour);
}

}  // namespace route::cli
