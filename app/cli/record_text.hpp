#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/table.hpp"
#include "storage/repository.hpp"

namespace route::cli {

/// Milliseconds with one decimal.
std::string ms_text(Nanoseconds time);

/// "" when there is none.
template <class T>
std::string text_or_empty(const std::optional<T>& value)
{
    return value ? std::to_string(*value) : "";
}

/// The columns of `record list`, which those of `record tail` begin with, and their cells.
std::vector<std::string> record_titles();
std::vector<std::string> record_cells(const storage::StoredRecord& stored);

/// Whether the client got what it asked for.
Tone tone_of(const Record& record);

/// The columns of `records` by their names; without `body` and `response` when they are not wanted.
boost::json::object record_json(const storage::StoredRecord& stored, bool bodies = true);

/// The columns of `attempts`.
boost::json::object attempt_json(const AttemptRecord& attempt);

}  // namespace route::cli
