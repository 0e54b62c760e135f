// A request's body as one upstream gets it.
#include "core/openai/changed_body.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

namespace route {
namespace {

/// More are put together: each is one to the kernel.
constexpr std::size_t most_pieces = 32;

std::string in_notation_of(const RequestFacts& facts, std::string_view model)
{
    if (!facts.model_is_json)
        return std::string{model};
    return boost::json::serialize(boost::json::string_view{model.data(), model.size()});
}

}  // namespace

ChangedBody::ChangedBody(std::string_view body, const RequestFacts& facts, const BodyRules& rules)
    : body_{body}, size_{body.size()}
{
    if (rules.model)
        edits_.push_back({facts.model_begin, facts.model_end, in_notation_of(facts, *rules.model)});
    if (facts.object_begin) {
        unset_members(facts, rules.unset);
        set_members(facts, rules.set);
    }
    // Few, and those at one place stay in their order.
    for (auto edit = edits_.begin(); edit != edits_.end(); ++edit) {
        const auto place = std::upper_bound(edits_.begin(), edit, *edit,
                                            [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
        std::rotate(place, edit, edit + 1);
    }
    for (const auto& edit : edits_)
        size_ = size_ - (edit.end - edit.begin) + edit.text.size();
}

/// With the comma before it; the first that stays has none before it, so those up to it go with theirs
/// behind.
void ChangedBody::unset_members(const RequestFacts& facts, const std::vector<std::string>& names)
{
    for (const auto& member : facts.members) {
        if (std::find(names.begin(), names.end(), member.name) == names.end())
            continue;
        if (member.number == unset_)
            edits_.push_back({member.begin, member.end, {}});
        else
            edits_.push_back({member.comma, member.value_end, {}});
        ++unset_;
    }
}

void ChangedBody::set_members(const RequestFacts& facts, const std::map<std::string, std::string>& members)
{
    std::string added;
    for (const auto& [name, value] : members) {
        bool found = false;
        for (const auto& member : facts.members)
            if (member.name == name) {
                edits_.push_back({member.value_begin, member.value_end, value});
                found = true;
            }
        if (found)
            continue;
        if (!added.empty())
            added += ',';
        added += boost::json::serialize(boost::json::string_view{name.data(), name.size()});
        added.append(1, ':').append(value);
    }
    if (added.empty())
        return;
    if (facts.member_count > unset_)
        added += ',';
    const auto at = *facts.object_begin + 1;
    edits_.insert(edits_.begin(), {at, at, std::move(added)});
}

void ChangedBody::append_pieces(std::vector<std::string_view>& pieces) const
{
    std::size_t at = 0;
    const auto append = [&](std::string_view piece) {
        if (!piece.empty())
            pieces.push_back(piece);
    };
    for (const auto& edit : edits_) {
        append(body_.substr(at, edit.begin - at));
        append(edit.text);
        at = edit.end;
    }
    append(body_.substr(at));
}

void ChangedBody::append_to(std::vector<std::string_view>& pieces)
{
    if (edits_.size() * 2 + 1 <= most_pieces) {
        append_pieces(pieces);
        return;
    }
    std::vector<std::string_view> many;
    append_pieces(many);
    joined_.reserve(size_);
    for (const auto piece : many)
        joined_ += piece;
    pieces.push_back(joined_);
}

}  // namespace route
