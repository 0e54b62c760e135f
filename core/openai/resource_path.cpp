#include "core/openai/resource_path.hpp"

#include <algorithm>

#include "core/openai/api.hpp"

namespace route {

namespace {

using Words = std::string_view;

constexpr std::array collections{
    Words{"files"},         Words{"uploads"}, Words{"batches"},       Words{"responses"},
    Words{"conversations"}, Words{"threads"}, Words{"vector_stores"}, Words{"assistants"},
    Words{"evals"},         Words{"videos"},  Words{"containers"},    Words{"skills"},
};

/// Collections below a thing of another one.
constexpr std::array nested_collections{Words{"runs"}, Words{"files"}, Words{"file_batches"}};

/// What stands behind a collection and is no id.
constexpr std::array words_of_apis{
    Words{"runs"},       Words{"batches"}, Words{"compact"},    Words{"input_tokens"},
    Words{"search"},     Words{"content"}, Words{"characters"}, Words{"edits"},
    Words{"extensions"}, Words{"cancel"},  Words{"complete"},
};

template <class Array>
bool is_among(const Array& words, std::string_view word)
{
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

ResourcePath::ResourcePath(std::string_view path)
{
    auto rest = below_version(path);
    for (auto& segment : segments) {
        segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), segment.size() + 1));
    }
}

std::size_t ResourcePath::collection() const
{
    if (is_among(collections, segments[0]))
        return 1;
    const bool jobs = segments[0] == "fine_tuning" && segments[1] == "jobs";
    const bool batches = segments[0] == "messages" && segments[1] == "batches";
    return jobs || batches ? 2 : 0;
}

bool ResourcePath::is_id(std::size_t segment) const
{
    const auto first = collection();
    if (first == 0 || segment < first || segment >= most_segments || segments[segment].empty())
        return false;
    const bool behind = segment == first || is_among(nested_collections, segments[segment - 1]);
    return behind && !is_among(words_of_apis, segments[segment]);
}

}  // namespace route
