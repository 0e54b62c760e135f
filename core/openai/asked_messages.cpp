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

/// Keeps `most` bytes, and none behind a gap.
void AskedMessages::Collected::add(std::string_view more, std::size_t most)
{
    if (!cut())
        text.append(more.substr(0, most - std::min(most, text.size())));
    bytes += more.size();
}

void AskedMessages::begin()
{
    message_ = {};
    in_sound_ = false;
    sound_ = 0;
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
        const auto begin = message_.text.size();
        put(piece.substr(0, sound));
        // Where messages have line breaks, blanks say the same.
        std::replace_if(
            message_.text.begin() + static_cast<std::ptrdiff_t>(begin), message_.text.end(),
            [](char c) { return c == '\n' || c == '\r'; }, ' ');
        in_sound_ = sound < piece.size();
        piece.remove_prefix(sound);
    }
}

void AskedMessages::end()
{
    if (in_sound_)
        end_sound();
    auto message = std::exchange(message_, {});
    if (ended_.bytes == 0) {
        ended_ = std::move(message);
        return;
    }
    ended_.add("\n", most_);
    if (!ended_.cut())
        ended_.text += message.text;
    ended_.bytes += message.bytes;
}

void AskedMessages::end_sound()
{
    in_sound_ = false;
    put(fmt::format("[audio, {} bytes]", std::exchange(sound_, 0) / 4 * 3));
}

void AskedMessages::put(std::string_view text)
{
    const auto before = ended_.text.size() + (ended_.bytes > 0 ? 1 : 0);
    message_.add(text, most_ - std::min(most_, before));
}

AskedMessages::Taken AskedMessages::take()
{
    auto ended = std::exchange(ended_, {});
    Taken taken{std::move(ended.text), false, ended.bytes};
    taken.cut = taken.text.size() < taken.bytes;
    if (taken.cut)
        taken.text.resize(without_split_end(taken.text).size());
    return taken;
}

}  // namespace route
