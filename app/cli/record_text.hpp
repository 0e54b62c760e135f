#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

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

/// The table of `record list` and `record tail`.
Table record_table();
void add_row(Table& table, const storage::StoredRecord& stored);

/// The columns of `records` by their names.
boost::json::object record_json(const storage::StoredRecord& stored);

/// The columns of `attempts`.
boost::json::object attempt_json(const AttemptRecord& attempt);

}  // namespace route::cli
