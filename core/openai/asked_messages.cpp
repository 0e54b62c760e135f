#include "core/openai/asked_messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view blanks_of_json = " \t\r\n";
constexpr std::string_view sound_member = "\"audio\"";
constexpr std::size_t least_sound = 1024;

/// Behind the quote that opens long sound; npos when there is none. As a name it stands nowhere but as one:
/// inside of a string its quotes would be escaped.
std::size_t find_sound(std::string_view text)
{
    for (auto at = text.find(sound_member); at != text.npos; at = text.find(sound_member, at + 1)) {
        auto begin = text.find_first_not_of(blanks_of_json, at + sound_member.size());
        if (begin == text.npos || text[begin] != ':')
            continue;
        begin = text.find_first_not_of(blanks_of_json, begin + 1);
        if (begin == text.npos || text[begin] != '"')
            continue;
        ++begin;
        if (text.size() - begin > least_sound && text.find('"', begin) - begin > least_sound)
            return begin;
    }
    return text.npos;
}

}  // namespace

void AskedMessages::begin()
{
    if (bytes_ > 0)
        put("\n");
}

void AskedMessages::write(std::string_view piece)
{
    while (!piece.empty()) {
        if (in_sound_) {
            const auto end = std::min(piece.find('"'), piece.size());
            sound_ += end;
            piece.remove_prefix(end);
            if (piece.empty())
                return;
            end_sound();
        }
        const auto sound = std::min(find_sound(piece), piece.size());
        const auto begin = text_.size();
        put(piece.substr(0, sound));
        // Where messages have line breaks, blanks say the same.
        std::replace_if(
            text_.begin() + static_cast<std::ptrdiff_t>(begin), text_.end(),
            [](char c) { return c == '\n' || c == '\r'; }, ' ');
        in_sound_ = sound < piece.size();
        piece.remove_prefix(sound);
    }
}

void AskedMessages::end()
{
    if (in_sound_)
        end_sound();
}

void AskedMessages::end_sound()
{
    in_sound_ = false;
    put(fmt::format("[audio, {} bytes]", std::exchange(sound_, 0) / 4 * 3));
}

void AskedMessages::put(std::string_view text)
{
    bytes_ += text.size();
    text_.append(text.substr(0, most_ - text_.size()));
}

AskedMessages::Taken AskedMessages::take()
{
    Taken taken{std::exchange(text_, {}), false, std::exchange(bytes_, 0)};
    taken.cut = taken.text.size() < taken.bytes;
    if (taken.cut)
        taken.text.resize(without_split_end(taken.text).size());
    return taken;
}

}  // namespace route
