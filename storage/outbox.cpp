#include "storage/outbox.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/text.hpp"
#include "storage/private_file.hpp"
#include "storage/sqlite/damaged_file.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

/// So many rows at once are worth a VACUUM once they are gone.
constexpr std::uint64_t rows_worth_compacting = 1000;

/// Marks of a file in which something is remembered, be it that there is nothing: "oair" and "oais" in ASCII.
constexpr int had_none = 0x6f616972;
constexpr int had_upstreams = 0x6f616973;

FileId file_at(const std::string& path)
{
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? FileId{status.st_dev, status.st_ino} : FileId{};
}

SqliteOptions options_of(const std::string& path)
{
    SqliteOptions options;
    options.path = path;
    options.busy_timeout = options.migration_timeout = std::chrono::milliseconds{500};
    options.writable = true;
    return options;
}

bool file_exists(const std::string& path)
{
    return !path.empty() && ::access(path.c_str(), F_OK) == 0;
}

}  // namespace

Outbox::Outbox(std::string path) : path_{std::move(path)}
{
    try {
        size_ = exists() ? opened().record_count() : 0;
        grew_ = size_ >= rows_worth_compacting;
    } catch (const StorageError& error) {
        spdlog::error("the outbox can not be read: {}", error.what());
    }
}

Outbox::~Outbox() = default;

template <class F>
auto Outbox::mended(F&& function)
{
    try {
        return function();
    } catch (const StorageError& error) {
        if (error.kind() != StorageError::Kind::damaged)
            throw;
        set_aside(error.what());
    }
    return function();
}

void Outbox::set_aside(const std::string& reason)
{
    repository_.reset();
    // Unless another router was faster.
    if (file_at(path_) != opened_file_)
        return;
    const auto aside = set_file_aside(path_);
    size_ = 0;
    spdlog::error("{} is damaged and was set aside as {}, a new one is begun: {}", escape_for_log(path_),
                  escape_for_log(aside), escape_for_log(reason));
    const std::lock_guard lock{mutex_};
    damage_ = fmt::format("the outbox was damaged and is set aside as {}",
                          std::filesystem::path{aside}.filename().string());
}

std::string Outbox::damage() const
{
    const std::lock_guard lock{mutex_};
    return damage_;
}

void Outbox::check(std::chrono::milliseconds longest_look)
{
    if (path_.empty())
        return;
    if (exists()) {
        make_database_private(path_);
        mended([&] { look_for_damage(opened().connection(), longest_look); });
        recount();
    } else if (const auto reason = cannot_make(path_); !reason.empty()) {
        throw StorageError{StorageError::Kind::unavailable, reason};
    }
}

void Outbox::insert(std::span<const Record> records)
{
    mended([&] { opened().insert(records); });
    size_ += records.size();
    grew_ = grew_ || size_ >= rows_worth_compacting;
}

std::vector<Record> Outbox::oldest(std::size_t rows, std::size_t bytes, const std::string& request_id)
{
    if (!exists()) {
        size_ = 0;
        return {};
    }
    auto found = mended([&] { return opened().records_after(request_id, rows, bytes); });
    if (found.empty() && request_id.empty())
        size_ = 0;
    return found;
}

void Outbox::erase(std::span<const Record> records)
{
    mended([&] { opened().erase_records(records); });
    // Another process may have moved some of them: the count is put right when it comes to nothing.
    size_ -= std::min<std::uint64_t>(size_, records.size());
    if (size_ > 0)
        return;
    recount();
    if (size_ == 0 && std::exchange(grew_, false))
        opened().compact();
}

void Outbox::recount()
{
    size_ = exists() ? mended([&] { return opened().record_count(); }) : 0;
    grew_ = grew_ || size_ >= rows_worth_compacting;
}

SqliteRepository& Outbox::opened()
{
    if (path_.empty())
        throw StorageError{StorageError::Kind::unavailable, "there is no outbox"};
    try {
        if (repository_)
            repository_->check_file();
    } catch (const StorageError&) {
        repository_.reset();
    }
    if (!repository_) {
        opened_file_ = file_at(path_);
        repository_ = std::make_unique<SqliteRepository>(options_of(path_));
        opened_file_ = file_at(path_);
    }
    return *repository_;
}

bool Outbox::exists() const
{
    return file_exists(path_);
}

void remember(const std::string& outbox_path, const Remembered& remembered)
{
    if (outbox_path.empty())
        return;
    SqliteRepository repository{options_of(outbox_path)};
    repository.replace_upstreams_and_keys(remembered.known.upstreams, remembered.known.keys,
                                          remembered.ever_had_upstream ? had_upstreams : had_none);
}

std::optional<Remembered> remembered(const std::string& outbox_path)
{
    if (!file_exists(outbox_path))
        return {};
    SqliteRepository repository{options_of(outbox_path)};
    const auto mark = repository.mark();
    if (mark != had_upstreams && mark != had_none)
        return {};
    return Remembered{{repository.upstreams(), repository.client_keys()}, mark == had_upstreams};
}

}  // namespace route::storage
