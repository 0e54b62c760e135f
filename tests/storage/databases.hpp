#pragma once

#include <string>

#include "storage/sqlite/sqlite_repository.hpp"
#include "tests/storage/tempdir.hpp"

namespace route::test {

/// The databases the repository suite runs on: each opens repositories that share one fresh database, and
/// runs SQL beside them.
class SqliteDatabase
{
  public:
    storage::SqliteRepository open() const
    {
        storage::SqliteOptions options;
        options.path = path();
        return storage::SqliteRepository{options};
    }

    void execute(const std::string& sql) const
    {
        SQLite::Database{path(), SQLite::OPEN_READWRITE, 1000}.exec(sql);
    }

    /// From now on the database refuses records of this model.
    void refuse_model(const std::string& model) const
    {
        execute("CREATE TRIGGER refuse BEFORE INSERT ON records WHEN NEW.model = '" + model +
                "' BEGIN SELECT raise(ABORT, 'refused'); END");
    }

    std::string path() const { return directory_ / "db.sqlite"; }

  private:
    TempDir directory_;
};

}  // namespace route::test
