#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "storage/change_feed.hpp"

namespace route::storage {

class SqliteRepository;

/// The SQLite file in which records wait while the database cannot take them. Made, with mode 0600, by the
/// first record that needs it. Several routers may share one: whoever moves a record, the database takes it
/// once. One thread at a time but for size(). Throws StorageError.
class Outbox
{
  public:
    /// Counts what an earlier run left; makes nothing. An empty path: there is no outbox, and it takes
    /// nothing.
    explicit Outbox(std::string path);
    ~Outbox();

    void insert(std::span<const Record> records);

    /// The first ones behind `request_id`; empty when there are none.
    std::vector<Record> oldest(std::size_t rows, std::size_t bytes, const std::string& request_id = {});

    /// Erases what oldest() gave, once it is elsewhere.
    void erase(std::span<const Record> records);

    /// How many wait, as far as this process knows. Any thread.
    std::uint64_t size() const { return size_; }

    /// Looks again for what another process left there.
    void recount();

  private:
    SqliteRepository& opened();
    bool exists() const;

    std::string path_;
    std::unique_ptr<SqliteRepository> repository_;
    std::atomic<std::uint64_t> size_{0};
    bool grew_ = false;  ///< enough was erased for its space to be given back
};

/// What a router knew when the database could last be read.
struct Remembered
{
    Known known;
    bool ever_had_upstream = false;
};

/// Keeps it in the outbox's file, so that a router can start while the database is away. Rows that are the
/// same to SQLite's unique keys and not to the database's are kept once. Throws StorageError.
void remember(const std::string& outbox_path, const Remembered& remembered);

/// What remember() kept; nothing when it never did.
std::optional<Remembered> remembered(const std::string& outbox_path);

}  // namespace route::storage
