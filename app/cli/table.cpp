#include "app/cli/table.hpp"

#include <locale.h>

#include <algorithm>
#include <clocale>
#include <cwchar>
#include <ostream>

#include "core/text.hpp"

namespace route::cli {
namespace {

/// Makes wcwidth() know Unicode in this thread, whatever the process's locale is.
class Utf8Locale
{
  public:
    Utf8Locale() : locale_{newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)}
    {
        if (locale_ != nullptr)
            previous_ = uselocale(locale_);
    }
    ~Utf8Locale()
    {
        if (locale_ == nullptr)
            return;
        uselocale(previous_);
        freelocale(locale_);
    }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

  private:
    locale_t locale_;
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

Table::Table(std::vector<std::string> titles)
{
    for (auto& title : titles) {
        right_.push_back(title.starts_with('>'));
        if (right_.back())
            title.erase(0, 1);
    }
    rows_.push_back(std::move(titles));
}

void Table::row(std::vector<std::string> cells)
{
    for (auto& cell : cells)
        cell = escape_for_log(cell);
    rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const
{
    const Utf8Locale locale;
    std::vector<std::size_t> widths(right_.size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], width_of(row[i]));
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - width_of(row[i]), ' ');
            line += (i > 0 ? "  " : "") + (right_[i] ? padding + row[i] : row[i] + padding);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    }
}

}  // namespace route::cli
