#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <functional>
#include <optional>
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

/// Of what was made for this record, what it was that said so last.
IdHashes read_made_ids(SQLite::Database& database, const Record& record);

/// ` WHERE …` for a filter, with what its `?` stand for.
class FilterSql
{
  public:
    explicit FilterSql(const RecordFilter& filter);

    /// Only what narrows the rows down by request_id: no row itself is looked at.
    static FilterSql times_of(const RecordFilter& filter);

    const std::string& where() const { return where_; }
    void bind(SQLite::Statement& statement) const;

    void add(std::string_view condition);
    void add(std::string_view condition, std::string value);

  private:
    FilterSql() = default;

    std::string where_;
    std::vector<std::string> values_;
};

/// Selects what a filter lets through in its order (time, with after_id storing), a page at a time, each a
/// short read of its own: one long read, of somebody with a pager, would keep the -wal from being emptied and
/// so let it grow without end. What is stored or deleted meanwhile is seen, or not.
class RecordPages
{
  public:
    /// `columns` begin with id and request_id. `rows`: so many are looked at for a page.
    RecordPages(SQLite::Database& database, const RecordFilter& filter, std::string columns,
                std::size_t rows);

    /// Calls `visit` with each row of the next page until it returns false, which ends the page behind that
    /// row. False once there is no page any more. `limit`: of rows to be visited, 0: none.
    bool next(std::size_t limit, const std::function<bool(SQLite::Statement& row)>& visit);

  private:
    void begin_behind_last(FilterSql& conditions) const;
    std::optional<std::string> last_of_page() const;

    SQLite::Database& database_;
    RecordFilter filter_;
    std::string columns_;
    std::size_t rows_;
    bool by_id_;
    bool descending_;
    std::string last_;  ///< id or request_id of the last row of the page before; "": there was none
    bool done_ = false;
};

}  // namespace route::storage
