#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "storage/any_repository.hpp"

namespace route::storage {

struct CopyCounts
{
    std::uint64_t upstreams = 0;        ///< added
    std::uint64_t upstreams_there = 0;  ///< of the same sk and endpoint: left as they are
    std::uint64_t keys = 0;             ///< added
    std::uint64_t keys_there = 0;       ///< of the same value: left as they are
    std::uint64_t records = 0;          ///< that are there now, by whichever run
    std::uint64_t rejected = 0;         ///< that the other database refuses by themselves
};

/// What copy_database() tells; all may be empty.
struct CopyHooks
{
    /// After each batch; false ends it, to be repeated another time.
    std::function<bool(const CopyCounts&)> on_progress = {};
    std::function<void(const Record& record, const std::string& reason)> on_rejected = {};
    /// An upstream or key that got another name, for its own is taken there: in words for people.
    std::function<void(const std::string& what)> on_renamed = {};
};

/// Copies what is not deleted: upstreams, client keys, records and their attempts. What is there already is
/// left as it is, so that it can be repeated after whatever ended it: upstreams by key and endpoint, client
/// keys by their value, records by their request_id. Upstreams get ids of their own there, and the records
/// follow. Throws StorageError.
CopyCounts copy_database(AnyRepository& from, AnyRepository& to, const CopyHooks& hooks);

}  // namespace route::storage
