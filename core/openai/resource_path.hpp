// Paths of what upstreams make: collections and the ids behind them.
#pragma once

#include <array>
#include <string_view>

namespace route {

/// The segments of a path behind the version, the first ones; "" behind the last.
struct ResourcePath
{
    /// `path`: of a request, without its query.
    explicit ResourcePath(std::string_view path);

    static constexpr std::size_t most_segments = 8;
    std::array<std::string_view, most_segments> segments;

    /// How many segments name the collection that it begins with (`files`, `fine_tuning/jobs`); 0: it begins
    /// with none whose things only their upstream knows.
    std::size_t collection() const;
    /// Whether an id stands at `segment`: behind a collection, and no word of the API (`threads/runs`).
    bool is_id(std::size_t segment) const;
};

}  // namespace route
