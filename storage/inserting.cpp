#include "storage/inserting.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "storage/repository.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

/// One try: what it says of these records, if anything.
struct Failure
{
    bool of_the_database = false;
    std::string reason;
};

std::optional<Failure> try_insert(std::span<const Record> records,
                                  const std::function<void(std::span<const Record>)>& insert)
{
    try {
        insert(records);
        return {};
    } catch (const StorageError& error) {
        // Another row would not fare better.
        const bool away = error.kind() == Kind::unavailable || error.kind() == Kind::broken ||
                          error.kind() == Kind::damaged;
        return Failure{away, error.what()};
    } catch (const std::bad_alloc&) {
        return Failure{true, "out of memory"};
    } catch (const std::exception& error) {
        return Failure{false, error.what()};
    } catch (...) {
        return Failure{true, "unknown"};
    }
}

}  // namespace

Inserted insert_all(std::span<const Record> records,
                    const std::function<void(std::span<const Record>)>& insert)
{
    // One row that is refused fails its whole transaction: the part is halved until that row is alone, and
    // grows again behind it.
    Inserted inserted;
    auto& done = inserted.records;
    std::size_t rows = records.size();
    do {
        const auto part = records.subspan(done, std::min(rows, records.size() - done));
        const auto start = std::chrono::steady_clock::now();
        auto failure = try_insert(part, insert);
        if (!failure) {
            inserted.transactions.push_back({part.size(), std::chrono::steady_clock::now() - start});
            done += part.size();
            rows *= 2;
            continue;
        }
        if (failure->of_the_database || part.empty()) {
            inserted.failure = std::move(failure->reason);
            return inserted;
        }
        rows = part.size() / 2;
        if (part.size() == 1) {
            inserted.refused.push_back({done, std::move(failure->reason)});
            rows = 1;
            ++done;
        }
    } while (done < records.size());
    return inserted;
}

std::size_t bytes_of(std::span<const Record> records)
{
    constexpr std::size_t made_bytes = 100;  // of a row of made_by
    std::size_t bytes = 0;
    for (const auto& record : records)
        bytes += record.body.size() + record.response.size() + record.made_ids.size() * made_bytes;
    return bytes;
}

std::chrono::milliseconds time_for(std::size_t bytes, std::chrono::milliseconds least)
{
    constexpr std::size_t lowest_rate = 64u << 10;  // bytes a second
    return least + std::chrono::milliseconds{bytes * 1000 / lowest_rate};
}

std::span<const Record> batch_of(std::span<const Record> records, std::size_t most_rows,
                                 std::size_t most_bytes)
{
    std::size_t rows = 0;
    std::size_t bytes = 0;
    while (rows < records.size() && rows < most_rows && bytes < most_bytes)
        bytes += bytes_of(records.subspan(rows++, 1));
    return records.first(rows);
}

void TransactionSize::took(std::size_t rows, std::size_t bytes, Nanoseconds time)
{
    if (time > limits_.slow) {
        shrink(rows, bytes, 2);
        return;
    }
    if (rows >= rows_)
        rows_ = std::min(limits_.most_rows, rows_ * 2);
    if (bytes >= bytes_ / 2)
        bytes_ = std::min(limits_.most_bytes, bytes_ * 2);
}

/// What was little already did not fail for its size.
void TransactionSize::shrink(std::size_t rows, std::size_t bytes, std::size_t by)
{
    if (rows > limits_.least_rows)
        rows_ = std::min(rows_, std::max(limits_.least_rows, rows / by));
    if (bytes > limits_.least_bytes)
        bytes_ = std::min(bytes_, std::max(limits_.least_bytes, bytes / by));
}

}  // namespace route::storage
