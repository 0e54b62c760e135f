#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>
#include <string_view>
#include <vector>

#include "storage/repository.hpp"

namespace route::storage {

/// The columns read_record() expects; without bodies, body and response are read as ''.
std::string record_columns(bool bodies);
StoredRecord read_record(SQLite::Statement& row);

/// The attempts of a request, by number.
std::vector<AttemptRecord> read_attempts(SQLite::Database& database, const std::string& request_id);

/// ` WHERE …` for a filter, with what its `?` stand for.
class FilterSql
{
  public:
    explicit FilterSql(const RecordFilter& filter);
    const std::string& where() const { return where_; }
    void bind(SQLite::Statement& statement) const;

  private:
    void add(std::string_view condition);
    void add(std::string_view condition, std::string value);

    std::string where_;
    std::vector<std::string> values_;
};

}  // namespace route::storage
