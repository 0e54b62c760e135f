#include "storage/database_backup.hpp"

#include <SQLiteCpp/Backup.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "storage/sqlite/connection.hpp"
#include "storage/sqlite/migrations.hpp"

namespace route::storage {

namespace {

namespace fs = std::filesystem;

using Kind = StorageError::Kind;

/// So many pages (8 MiB of ours) are copied at once.
constexpr int pages_at_once = 256;

constexpr std::chrono::seconds lock_timeout{5};

[[noreturn]] void cannot_write(const std::string& path)
{
    throw StorageError{Kind::unavailable,
                       fmt::format("{} can not be written: {}", path, std::strerror(errno))};
}

void refuse_target(const std::string& path, const std::string& backup, bool replace)
{
    std::error_code ignored;
    if (fs::equivalent(path, backup, ignored))
        throw StorageError{Kind::unavailable, backup + " is the database itself"};
    if (!replace && fs::exists(fs::symlink_status(backup, ignored)))
        throw StorageError{Kind::unavailable, backup + " is there already: --force replaces it"};
    for (const char* suffix : {"-wal", "-journal"})
        if (fs::exists(backup + suffix, ignored))
            throw StorageError{
                Kind::unavailable,
                fmt::format("{} is there: {} is a database in use, or one whose end was no clean one",
                            backup + suffix, backup)};
}

/// The file that becomes the backup; it goes unless it did.
class Unfinished
{
  public:
    explicit Unfinished(const std::string& backup) : path_{fmt::format("{}.partial-{}", backup, ::getpid())}
    {
        ::unlink(path_.c_str());
        const int file = ::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (file < 0)
            cannot_write(path_);
        ::close(file);
    }
    ~Unfinished() { ::unlink(path_.c_str()); }
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;

    const std::string& path() const { return path_; }

    void finish(const std::string& backup, bool replace)
    {
        sync(path_);
        const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
        if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, backup.c_str(), flags) != 0) {
            // A file system that knows no flags.
            if (errno != EINVAL || std::rename(path_.c_str(), backup.c_str()) != 0)
                cannot_write(backup);
        }
        const auto directory = fs::path{backup}.parent_path().string();
        sync(directory.empty() ? "." : directory);
    }

  private:
    static void sync(const std::string& path)
    {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const bool synced = file >= 0 && ::fsync(file) == 0;
        const int error = errno;
        if (file >= 0)
            ::close(file);
        errno = error;
        if (!synced)
            cannot_write(path);
    }

    std::string path_;
};

void copy_pages(const std::string& path, const std::string& unfinished)
{
    SQLite::Database source{path, SQLite::OPEN_READWRITE,
                            static_cast<int>(std::chrono::milliseconds{lock_timeout}.count())};
    if (!has_tables(source))
        throw StorageError{Kind::broken, path + " has no tables of this program"};
    SQLite::Database target{unfinished, SQLite::OPEN_READWRITE};
    target.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");  // it is synced at the end
    // One moment for all steps: SQLite would begin anew with each change another program makes in between.
    source.exec("BEGIN");
    source.execAndGet("SELECT count(*) FROM sqlite_master");
    {
        SQLite::Backup copy{target, source};
        while (copy.executeStep(pages_at_once) != SQLITE_DONE) {
        }
    }
    source.exec("COMMIT");
}

std::uint64_t rows_of(SQLite::Database& database, const char* table)
{
    if (!schema_has(database, table))
        return 0;  // of v0.3.0
    return static_cast<std::uint64_t>(
        database.execAndGet(std::string{"SELECT count(*) FROM "} + table).getInt64());
}

/// One file, without a -wal, that is whole.
BackupCounts checked(const std::string& path)
{
    SQLite::Database copy{path, SQLite::OPEN_READWRITE};
    copy.exec("PRAGMA journal_mode = DELETE");
    if (const auto found = copy.execAndGet("PRAGMA quick_check(1)").getString(); found != "ok")
        throw StorageError{Kind::damaged, "the database is damaged: " + found};
    return {rows_of(copy, "records"), rows_of(copy, "openai_upstreams"), rows_of(copy, "client_keys")};
}

}  // namespace

BackupCounts back_up_sqlite(const std::string& path, const std::string& backup, bool replace)
{
    if (!fs::exists(path))
        throw StorageError{Kind::unavailable, path + " is not there: --database names another"};
    refuse_target(path, backup, replace);
    return guarded([&] {
        Unfinished unfinished{backup};
        copy_pages(path, unfinished.path());
        auto counts = checked(unfinished.path());
        counts.bytes = fs::file_size(unfinished.path());
        unfinished.finish(backup, replace);
        return counts;
    });
}

}  // namespace route::storage
