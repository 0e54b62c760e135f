#include "storage/sqlite/row_writer.hpp"

#include <sqlite3.h>

namespace route::storage {

void RowWriter::Finalize::operator()(sqlite3_stmt* statement) const
{
    sqlite3_finalize(statement);
}

RowWriter::RowWriter(SQLite::Database& database, std::string_view sql) : connection_{database.getHandle()}
{
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    statement_.reset(statement);
    check(code);
}

RowWriter& RowWriter::text(std::string_view value)
{
    // A null pointer would bind NULL.
    check(sqlite3_bind_text64(statement_.get(), ++index_, value.data() == nullptr ? "" : value.data(),
                              value.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
}

RowWriter& RowWriter::blob(std::span<const unsigned char> value)
{
    check(sqlite3_bind_blob64(statement_.get(), ++index_, value.data(), value.size(), SQLITE_STATIC));
    return *this;
}

RowWriter& RowWriter::number(std::int64_t value)
{
    check(sqlite3_bind_int64(statement_.get(), ++index_, value));
    return *this;
}

RowWriter& RowWriter::null()
{
    check(sqlite3_bind_null(statement_.get(), ++index_));
    return *this;
}

bool RowWriter::write()
{
    index_ = 0;
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_DONE) {
        const SQLite::Exception error{connection_, code};
        sqlite3_reset(statement_.get());
        throw error;
    }
    sqlite3_reset(statement_.get());
    return sqlite3_changes(connection_) > 0;
}

void RowWriter::check(int code)
{
    if (code == SQLITE_OK)
        return;
    index_ = 0;
    throw SQLite::Exception{connection_, code};
}

}  // namespace route::storage
