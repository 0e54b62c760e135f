#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "storage/postgres/postgres_repository.hpp"
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

/// A schema of its own in the database the environment names (PGHOST and the like), as pg_virtualenv sets
/// them.
class PostgresDatabase
{
  public:
    PostgresDatabase() : schema_{"test_" + std::to_string(::getpid()) + "_" + std::to_string(++made_)}
    {
        if (std::getenv("PGHOST") == nullptr)
            throw std::runtime_error{"no PostgreSQL: run the tests under pg_virtualenv, as tests/run does"};
        execute_elsewhere("CREATE SCHEMA " + schema_);
    }
    ~PostgresDatabase()
    {
        try {
            execute_elsewhere("DROP SCHEMA " + schema_ + " CASCADE");
        } catch (const std::exception&) {  // the database goes with the tests
        }
    }
    PostgresDatabase(const PostgresDatabase&) = delete;
    PostgresDatabase& operator=(const PostgresDatabase&) = delete;

    storage::PostgresRepository open() const
    {
        storage::PostgresOptions options;
        options.url = url();
        return storage::PostgresRepository{options};
    }

    pqxx::result execute(const std::string& sql) const
    {
        storage::PostgresConnection connection{url()};
        return connection.transact({}, [&](pqxx::work& work) { return work.exec(sql); });
    }

    /// From now on the database refuses records of this model.
    void refuse_model(const std::string& model) const
    {
        execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON records FOR EACH ROW WHEN (NEW.model = '" +
            model + "') EXECUTE FUNCTION refuse()");
    }

    std::string url() const
    {
        return "postgresql:///?application_name=" + schema_ + "&options=-c%20search_path%3D" + schema_;
    }

  private:
    static void execute_elsewhere(const std::string& sql)
    {
        storage::PostgresConnection connection{"postgresql:///"};
        connection.transact({}, [&](pqxx::work& work) { work.exec(sql); });
    }

    static inline std::atomic<int> made_{0};
    std::string schema_;
};

}  // namespace route::test
