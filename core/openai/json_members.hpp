#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace route {

using MemberNames = std::set<std::string, std::less<>>;

/// Where a member of an object stands in its text.
struct JsonMember
{
    std::string name;        ///< decoded
    std::size_t number = 0;  ///< of the object's members, from 0
    std::size_t comma = 0;   ///< the one before it, unless it is the first
    std::size_t begin = 0;   ///< its key's first quote
    std::size_t value_begin = 0;
    std::size_t value_end = 0;
    std::size_t end = 0;  ///< where the next key begins, or the object's last brace stands
};

/// Notes where members stand while an object is read forward.
class MemberFinder
{
  public:
    /// `text`: the whole object; what follows it is blank.
    explicit MemberFinder(std::string_view text) : text_{text} {}

    /// The key at `begin` is that of the next member.
    void next(std::size_t begin);
    /// It is to be noted, and its value begins there.
    void note(std::string_view name, std::size_t value_begin);
    /// There is no further member, and the object is whole.
    std::vector<JsonMember> finish();

    std::size_t count() const { return count_; }
    std::size_t noted() const { return members_.size(); }

  private:
    void close(std::size_t end);
    std::size_t before_blanks(std::size_t at) const;

    std::string_view text_;
    std::vector<JsonMember> members_;
    std::size_t begin_ = 0;
    std::size_t count_ = 0;
    bool open_ = false;
};

/// Whether `text` is one JSON value and nothing else.
bool is_json(std::string_view text);

/// The members of the object that `text` is: name -> JSON, as it is written there. Refused: anything else,
/// and a name that is there twice.
Result<std::map<std::string, std::string>> read_members(std::string_view text);

/// The object of these members.
std::string write_members(const std::map<std::string, std::string>& members);

}  // namespace route
