#include <algorithm>
#include <optional>
#include <thread>

#include "core/timestamps.hpp"
#include "storage/request_ids.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

using Clock = std::chrono::steady_clock;

/// So many records are found before the lock is taken.
constexpr std::size_t portion = 64;

/// So many are looked at to find them.
constexpr std::size_t most_looks = 500;

/// How far a step has come: it ends where one of its bounds is reached.
class StepMeter
{
  public:
    StepMeter(SQLite::Database& database, const PruneBounds& bounds)
        : bounds_{bounds},
          free_pages_{database, "PRAGMA freelist_count"},
          page_size_{static_cast<std::uint64_t>(database.execAndGet("PRAGMA page_size").getInt64())},
          free_before_{free_pages()}
    {
    }

    /// Counts a record; whether it was the last.
    bool enough() { return ++looked_at_ >= bounds_.rows || freed() >= bounds_.bytes || Clock::now() >= end_; }

    std::uint64_t freed()
    {
        const auto now = free_pages();
        return now > free_before_ ? (now - free_before_) * page_size_ : 0;
    }

  private:
    std::uint64_t free_pages()
    {
        free_pages_.reset();
        free_pages_.executeStep();
        const auto pages = static_cast<std::uint64_t>(free_pages_.getColumn(0).getInt64());
        free_pages_.reset();
        return pages;
    }

    PruneBounds bounds_;
    Clock::time_point end_ = Clock::now() + bounds_.time;
    SQLite::Statement free_pages_;
    std::uint64_t page_size_;
    std::uint64_t free_before_;
    std::size_t looked_at_ = 0;
};

/// Some records, and where they were looked for.
struct Found
{
    std::vector<std::string> request_ids;
    std::vector<std::int64_t> ids;  ///< of late ones
    std::string last;               ///< that was looked at
    bool complete = true;           ///< there are no more
};

/// The first that are older than `before`.
Found older_records(SQLite::Database& database, SystemTime before, std::size_t rows)
{
    SQLite::Statement row{database,
                          "SELECT request_id FROM records WHERE request_id < ? AND created_at < ?"
                          " ORDER BY request_id LIMIT ?"};
    row.bind(1, request_id_prefix(before + request_id_slack));
    row.bind(2, format_timestamp(before));
    row.bind(3, static_cast<std::int64_t>(rows));
    Found found;
    while (row.executeStep())
        found.request_ids.push_back(row.getColumn(0).getString());
    found.complete = found.request_ids.size() < rows;
    return found;
}

/// The first behind `from` that are older than `before` and have a body or a response.
Found older_with_bodies(SQLite::Database& database, SystemTime before, const std::string& from,
                        const PruneBounds& bounds)
{
    const auto end = Clock::now() + bounds.time;
    SQLite::Statement row{database,
                          "SELECT request_id, body <> '' OR response <> '' FROM records WHERE request_id > ?"
                          " AND request_id < ? AND created_at < ? ORDER BY request_id"};
    row.bind(1, from);
    row.bind(2, request_id_prefix(before + request_id_slack));
    row.bind(3, format_timestamp(before));
    Found found;
    found.last = from;
    for (std::size_t looks = 0; row.executeStep(); ++looks) {
        const bool enough = looks > 0 && (looks >= most_looks || Clock::now() >= end);
        if (enough || found.request_ids.size() >= std::min(bounds.rows, portion)) {
            found.complete = false;
            break;
        }
        found.last = row.getColumn(0).getString();
        if (row.getColumn(1).getInt() != 0)
            found.request_ids.push_back(found.last);
    }
    return found;
}

/// Those with an id behind `seen` that belong before `pruned_to`; `seen` moves on to where it looked.
Found late_records(SQLite::Database& database, const std::string& pruned_to, std::int64_t& seen,
                   const PruneBounds& bounds)
{
    const auto most = std::min(bounds.rows, portion);
    SQLite::Statement row{database, "SELECT id, request_id FROM records WHERE id > ? ORDER BY id LIMIT ?"};
    row.bind(1, seen);
    row.bind(2, static_cast<std::int64_t>(most_looks));
    Found found;
    std::size_t looks = 0;
    while (found.request_ids.size() < most && row.executeStep()) {
        ++looks;
        seen = row.getColumn(0).getInt64();
        auto request_id = row.getColumn(1).getString();
        if (request_id > pruned_to)
            continue;
        found.request_ids.push_back(std::move(request_id));
        found.ids.push_back(seen);
    }
    found.complete = found.request_ids.size() < most && looks < most_looks;
    return found;
}

/// Empties these, as far as the bounds allow; how many of them were looked at.
std::size_t empty(SQLite::Database& database, const std::vector<std::string>& request_ids,
                  const PruneBounds& bounds, PruneStep& step)
{
    if (request_ids.empty())
        return 0;
    WriteTransaction transaction{database};
    StepMeter meter{database, bounds};
    RowWriter record{database,
                     "UPDATE records SET body = '', response = '' WHERE request_id = ? AND (body <> '' "
                     "OR response <> '')"};
    std::size_t done = 0;
    for (bool enough = false; !enough && done < request_ids.size(); ++done) {
        step.rows += record.text(request_ids[done]).write() ? 1 : 0;
        enough = meter.enough();
    }
    step.bytes += meter.freed();
    transaction.commit();
    return done;
}

bool has_made_before(SQLite::Database& database, const std::string& before)
{
    SQLite::Statement row{database, "SELECT 1 FROM made_by WHERE created_at < ? LIMIT 1"};
    row.bind(1, before);
    return row.executeStep();
}

/// The oldest that are older than `before`; whether there are no more.
bool forget_made(SQLite::Database& database, const std::string& before, std::size_t rows)
{
    SQLite::Statement erase{database,
                            "DELETE FROM made_by WHERE id_hash IN (SELECT id_hash FROM made_by WHERE "
                            "created_at < ? ORDER BY created_at LIMIT ?)"};
    erase.bind(1, before);
    erase.bind(2, static_cast<std::int64_t>(rows));
    return static_cast<std::size_t>(erase.exec()) < rows;
}

/// Some of what was made for records that are gone, while others are left; none when there is nothing.
std::optional<PruneStep> forget_made_for_none(SQLite::Database& database, const PruneBounds& bounds)
{
    SQLite::Statement oldest{database, "SELECT created_at FROM records ORDER BY request_id LIMIT 1"};
    if (!oldest.executeStep())
        return {};
    const auto before = oldest.getColumn(0).getString();
    oldest.reset();
    if (!has_made_before(database, before))
        return {};
    WriteTransaction transaction{database};
    StepMeter meter{database, bounds};
    forget_made(database, before, std::min(bounds.rows, portion));
    const PruneStep step{0, false, meter.freed()};
    transaction.commit();
    return step;
}

/// Runs steps to the end; the lock is free for at least as long as it was held.
template <class Step>
std::uint64_t run(Step take_step, const PruneProgress& progress)
{
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done;) {
        const auto start = Clock::now();
        step = take_step();
        rows += step.rows;
        if (progress)
            progress(rows);
        if (!step.done)
            std::this_thread::sleep_for(
                std::max<Clock::duration>(std::chrono::milliseconds{1}, Clock::now() - start));
    }
    return rows;
}

}  // namespace

PruneStep SqliteRepository::prune_step(SystemTime before, const PruneBounds& bounds)
{
    check_file();
    return guarded([&] {
        const auto old = older_records(*database_, before, std::min(bounds.rows, portion));
        if (old.request_ids.empty() && !has_made_before(*database_, format_timestamp(before)))
            return PruneStep{};
        WriteTransaction transaction{*database_};
        StepMeter meter{*database_, bounds};
        RowWriter record{*database_, "DELETE FROM records WHERE request_id = ?"};
        RowWriter attempts{*database_, "DELETE FROM attempts WHERE request_id = ?"};
        PruneStep step;
        std::size_t done = 0;
        for (bool enough = false; !enough && done < old.request_ids.size(); ++done) {
            step.rows += record.text(old.request_ids[done]).write() ? 1 : 0;
            attempts.text(old.request_ids[done]).write();
            enough = meter.enough();
        }
        step.done = old.complete && done == old.request_ids.size() &&
                    forget_made(*database_, format_timestamp(before), std::min(bounds.rows, portion));
        step.bytes = meter.freed();
        transaction.commit();
        return step;
    });
}

PruneStep SqliteRepository::prune_bodies_step(SystemTime before, const PruneBounds& bounds)
{
    check_file();
    return guarded([&] {
        PruneStep step;
        if (bodies_pruned_to_.empty()) {
            seen_id_ = newest_record_id();
        } else {
            auto seen = seen_id_;
            const auto late = late_records(*database_, bodies_pruned_to_, seen, bounds);
            const auto done = empty(*database_, late.request_ids, bounds, step);
            seen_id_ = done == late.request_ids.size() ? seen : late.ids[done - 1];
            step.done = late.complete && late.request_ids.empty();
            if (!step.done)
                return step;
        }
        const auto old = older_with_bodies(*database_, before, bodies_pruned_to_, bounds);
        const auto done = empty(*database_, old.request_ids, bounds, step);
        const bool all = done == old.request_ids.size();
        bodies_pruned_to_ = all ? old.last : old.request_ids[done - 1];
        step.done = all && old.complete;
        return step;
    });
}

PruneStep SqliteRepository::shrink_step(const PruneBounds& bounds)
{
    const auto now = std::chrono::system_clock::now();
    auto step = prune_bodies_step(now, bounds);
    if (!step.done || step.rows > 0) {
        step.done = false;
        return step;
    }
    const auto forgotten = guarded([&] { return forget_made_for_none(*database_, bounds); });
    return forgotten ? *forgotten : prune_step(now, bounds);
}

std::uint64_t SqliteRepository::prune(SystemTime before, const PruneProgress& progress)
{
    return run([&] { return prune_step(before, {}); }, progress);
}

std::uint64_t SqliteRepository::prune_bodies(SystemTime before, const PruneProgress& progress)
{
    bodies_pruned_to_.clear();
    return run([&] { return prune_bodies_step(before, {}); }, progress);
}

}  // namespace route::storage
