#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/postgres/pqxx.hpp"
#include "storage/repository.hpp"

namespace route::storage::postgres {

/// The columns read_record() expects; without bodies, body and response are read as ''.
std::string record_columns(bool bodies);
StoredRecord read_record(const pqxx::row& row);

/// Fills in the attempts of `records`, which are sorted by request_id.
void read_attempts(pqxx::transaction_base& transaction, std::vector<Record>& records);

/// Fills in what was made for `records`, which are sorted by request_id, of whom each id was said last.
void read_made_ids(pqxx::transaction_base& transaction, std::vector<Record>& records);

/// ` WHERE …` for a filter, with what its `$n` stand for.
class FilterSql
{
  public:
    explicit FilterSql(const RecordFilter& filter);

    /// Whatever the filter says, only those behind `position` in its order.
    void behind(const RecordFilter& filter, const StoredRecord& position);

    const std::string& where() const { return where_; }
    const Parameters& parameters() const { return parameters_; }

  private:
    void add(std::string_view condition);
    std::string parameter(std::string value);
    void add_equal(std::string_view column, const std::string& value);

    std::string where_;
    Parameters parameters_;
};

/// `created_at` and the like as text, `2026-01-31T12:00:00.123Z`, whatever the session's time zone.
std::string milliseconds_text(std::string_view column);

}  // namespace route::storage::postgres
