#include "app/cli/shown_body.hpp"

#include <fmt/format.h>

#include "app/cli/pretty_json.hpp"
#include "app/cli/terminal.hpp"
#include "core/text.hpp"

namespace route::cli {

void show_body(std::ostream& out, const char* title, const std::string& text, bool full)
{
    constexpr std::size_t most_shown = 4u << 10;
    if (text.empty())
        return;
    auto shown = terminal_text(text);
    const auto pretty = pretty_json(shown);
    if (pretty)
        shown = *pretty;
    const bool cut = !full && shown.size() > most_shown;
    if (cut)
        shown.resize(cut_utf8(shown, most_shown).size());
    if (pretty && terminal_of(out).colour)
        shown = coloured_json(shown);
    out << '\n' << title << ":\n" << shown << '\n';
    if (cut)
        out << fmt::format("… (cut: {} bytes are recorded, --full shows all)\n", text.size());
}

}  // namespace route::cli
