#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/record.hpp"

namespace route::storage {

/// A record the database refuses by itself.
struct Refusal
{
    std::size_t index = 0;  ///< among those that were to be inserted
    std::string reason;
};

/// What came of inserting records.
struct Inserted
{
    struct Transaction
    {
        std::size_t records = 0;
        Nanoseconds took{};
    };

    std::size_t records = 0;   ///< from the front that are stored or refused
    std::string failure = {};  ///< why not all
    std::vector<Refusal> refused = {};
    std::vector<Transaction> transactions = {};
};

/// Inserts them with as few calls as it can; one record that is refused holds up none of the others. Throws
/// nothing that `insert` throws.
Inserted insert_all(std::span<const Record> records,
                    const std::function<void(std::span<const Record>)>& insert);

/// Of their bodies, responses and rows of what was made for them, about.
std::size_t bytes_of(std::span<const Record> records);

/// How long a transaction of so many bytes may take: `least`, and what they need on a connection over which
/// little gets through; one with less is as good as none.
std::chrono::milliseconds time_for(std::size_t bytes, std::chrono::milliseconds least);

/// As many from the front as make one transaction; one at least.
std::span<const Record> batch_of(std::span<const Record> records, std::size_t most_rows,
                                 std::size_t most_bytes);

/// How much a transaction may hold: less after one that failed or was slow, more again after a full one that
/// was quick. What is too much for a slow connection must not be tried for ever.
class TransactionSize
{
  public:
    struct Limits
    {
        std::size_t most_rows = 1000;
        std::size_t most_bytes = 8u << 20;
        std::size_t least_rows = 8;
        std::size_t least_bytes = 64u << 10;
        Nanoseconds slow = std::chrono::milliseconds{300};
    };

    explicit TransactionSize(const Limits& limits)
        : limits_{limits}, rows_{limits.most_rows}, bytes_{limits.most_bytes}
    {
    }

    std::size_t rows() const { return rows_; }
    std::size_t bytes() const { return bytes_; }

    /// Whether one record is clearly more than what works.
    bool too_large(std::size_t bytes) const { return bytes_ < limits_.most_bytes && bytes > 2 * bytes_; }

    void failed(std::size_t rows, std::size_t bytes) { shrink(rows, bytes, 4); }
    void took(std::size_t rows, std::size_t bytes, Nanoseconds time);

  private:
    void shrink(std::size_t rows, std::size_t bytes, std::size_t by);

    Limits limits_;
    std::size_t rows_;
    std::size_t bytes_;
};

}  // namespace route::storage
