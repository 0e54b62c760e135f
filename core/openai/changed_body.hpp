#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/openai/request_facts.hpp"

namespace route {

/// What one upstream wants to be different in a body.
struct BodyRules
{
    std::optional<std::string_view> model;          ///< in place of that in the body
    const std::map<std::string, std::string>& set;  ///< top-level member -> its JSON
    const std::vector<std::string>& unset;          ///< members that are taken away
};

/// A body as one upstream gets it: pieces of the client's, which outlives this, around what is put in their
/// place. Pure.
class ChangedBody
{
  public:
    /// Nothing is changed.
    ChangedBody() = default;
    /// `facts` are those of `body`; in one that is no JSON object only the model is changed.
    ChangedBody(std::string_view body, const RequestFacts& facts, const BodyRules& rules);

    bool changed() const { return !edits_.empty(); }
    std::size_t size() const { return size_; }
    /// Appends its pieces, few, to `pieces`; valid as long as this stays where it is.
    void append_to(std::vector<std::string_view>& pieces);

  private:
    struct Edit
    {
        std::size_t begin;
        std::size_t end;
        std::string text;
    };

    void unset_members(const RequestFacts& facts, const std::vector<std::string>& names);
    void set_members(const RequestFacts& facts, const std::map<std::string, std::string>& members);
    void append_pieces(std::vector<std::string_view>& pieces) const;

    std::string_view body_;
    std::vector<Edit> edits_;  ///< in their order in the body
    std::size_t unset_ = 0;
    std::size_t size_ = 0;
    std::string joined_;  ///< where there were too many
};

}  // namespace route
