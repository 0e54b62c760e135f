#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "storage/change_feed.hpp"

namespace route::storage {

class SqliteRepository;

/// Which file a path names; all 0: none.
struct FileId
{
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool operator==(const FileId&) const = default;
};

/// The SQLite file in which records wait while the database cannot take them. Made, with mode 0600, by the
/// first record that needs it; one that is no database, truncated or otherwise damaged is set aside under
/// another name and made anew. Several routers may share one: whoever moves a record, the database takes it
/// once. One thread at a time but for size() and damage(). Throws StorageError.
class Outbox
{
  public:
    /// Counts what an earlier run left; makes nothing. An empty path: there is no outbox, and it takes
    /// nothing.
    explicit Outbox(std::string path);
    ~Outbox();

    /// Whether it could take records: makes the file private, and throws when it, or a new one, can not be
    /// written. To be called at the start: nobody looks at the file again until it is needed.
    /// `longest_look`: how long to look for damage.
    void check(std::chrono::milliseconds longest_look);

    void insert(std::span<const Record> records);

    /// The first ones behind `request_id`; empty when there are none.
    std::vector<Record> oldest(std::size_t rows, std::size_t bytes, const std::string& request_id = {});

    /// Erases what oldest() gave, once it is elsewhere.
    void erase(std::span<const Record> records);

    /// How many wait, as far as this process knows. Any thread.
    std::uint64_t size() const { return size_; }

    /// Looks again for what another process left there.
    void recount();

    /// What became of a damaged file, in words for people; "" when there was none. Any thread.
    std::string damage() const;

  private:
    SqliteRepository& opened();
    bool exists() const;

    /// Calls `function`, which uses opened(). A file that turns out to be damaged is set aside, and it is
    /// called once more, with a new one.
    template <class F>
    auto mended(F&& function);
    void set_aside(const std::string& reason);

    std::string path_;
    FileId opened_file_;  ///< which one opened() was called for
    mutable std::mutex mutex_;
    std::string damage_;  ///< of the mutex
    std::unique_ptr<SqliteRepository> repository_;
    std::atomic<std::uint64_t> size_{0};
    bool grew_ = false;  ///< enough was erased for its space to be given back
};

/// What a router knew when the database could last be read.
struct Remembered
{
    UpstreamsAndKeys known;
    bool ever_had_upstream = false;
};

/// Keeps it in the outbox's file, so that a router can start while the database is away. Rows that are the
/// same to SQLite's unique keys and not to the database's are kept once. Throws StorageError.
void remember(const std::string& outbox_path, const Remembered& remembered);

/// What remember() kept; nothing when it never did.
std::optional<Remembered> remembered(const std::string& outbox_path);

}  // namespace route::storage
