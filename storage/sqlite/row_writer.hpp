#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

struct sqlite3_stmt;

namespace route::storage {

/// A prepared statement that changes rows, for the hot path: binds left to right without copying, so what it
/// is given must live until write(). (SQLiteCpp can not bind a view without copying it.) Failures are
/// SQLite::Exceptions.
class RowWriter
{
  public:
    RowWriter(SQLite::Database& database, std::string_view sql);

    RowWriter& text(std::string_view value);
    RowWriter& blob(std::span<const unsigned char> value);
    RowWriter& number(std::int64_t value);
    RowWriter& null();

    /// NULL when there is none.
    template <class T>
    RowWriter& number(const std::optional<T>& value)
    {
        return value ? number(static_cast<std::int64_t>(*value)) : null();
    }

    /// Runs the statement and begins the next; whether it changed a row.
    bool write();

  private:
    struct Finalize
    {
        void operator()(sqlite3_stmt* statement) const;
    };

    void check(int code);

    sqlite3* connection_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    int index_ = 0;
};

}  // namespace route::storage
