// Where members of a JSON object stand in its text.
#include "core/openai/json_members.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "core/openai/json_reader.hpp"

namespace route {

std::size_t MemberFinder::before_blanks(std::size_t at) const
{
    while (at > 0 && std::string_view{" \t\r\n"}.find(text_[at - 1]) != std::string_view::npos)
        --at;
    return at;
}

void MemberFinder::close(std::size_t end)
{
    if (!std::exchange(open_, false))
        return;
    auto& member = members_.back();
    member.end = end;
    auto value_end = before_blanks(end);
    if (value_end > member.value_begin && text_[value_end - 1] == ',')
        value_end = before_blanks(value_end - 1);
    member.value_end = value_end;
}

void MemberFinder::next(std::size_t begin)
{
    close(begin);
    begin_ = begin;
    ++count_;
}

void MemberFinder::note(std::string_view name, std::size_t value_begin)
{
    JsonMember member;
    member.name = name;
    member.number = count_ - 1;
    member.begin = begin_;
    member.comma = before_blanks(begin_);
    if (member.comma > 0)
        --member.comma;
    member.value_begin = value_begin;
    members_.push_back(std::move(member));
    open_ = true;
}

std::vector<JsonMember> MemberFinder::finish()
{
    close(text_.rfind('}'));
    return std::move(members_);
}

bool is_json(std::string_view text)
{
    boost::system::error_code error;
    boost::json::parse(boost::json::string_view{text.data(), text.size()}, error);
    return !error;
}

Result<std::map<std::string, std::string>> read_members(std::string_view text)
{
    const Invalid refused{"expected a JSON object"};
    if (!is_json(text))
        return refused;
    const auto body = json::padded(text);
    MemberFinder finder{body};
    const bool whole = json::read_object(body, [&](json::Object& object) {
        return json::each_member(object, [&](json::Key key, json::Value value) {
            finder.next(static_cast<std::size_t>(key.raw() - 1 - body.data()));
            const auto token = value.raw_json_token();
            finder.note({}, static_cast<std::size_t>(token.data() - body.data()));
            return json::is_valid(value);
        });
    });
    if (!whole)
        return refused;
    std::map<std::string, std::string> members;
    for (const auto& member : finder.finish()) {
        // From quote to quote, behind which blanks and the colon stand.
        const auto key = body.substr(member.begin,
                                     body.rfind('"', body.rfind(':', member.value_begin)) + 1 - member.begin);
        boost::system::error_code error;
        const auto name = boost::json::parse(boost::json::string_view{key.data(), key.size()}, error);
        if (error || !name.is_string())
            return refused;
        const auto value = body.substr(member.value_begin, member.value_end - member.value_begin);
        if (!members.emplace(name.get_string().c_str(), value).second)
            return Invalid{"expected a JSON object that has each member once"};
    }
    return members;
}

std::string write_members(const std::map<std::string, std::string>& members)
{
    std::string text = "{";
    for (const auto& [name, value] : members) {
        if (text.size() > 1)
            text += ',';
        text += boost::json::serialize(boost::json::string_view{name.data(), name.size()});
        text.append(1, ':').append(value);
    }
    return text + '}';
}

}  // namespace route
