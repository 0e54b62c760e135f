#include "storage/rejected_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/text.hpp"
#include "core/timestamps.hpp"
#include "storage/private_file.hpp"

namespace route::storage {

namespace {

namespace json = boost::json;

json::string text(std::string_view value)
{
    // What the database refused may well be text that is none.
    return json::string{clean_utf8(std::string{value})};
}

template <class T>
json::value number(const std::optional<T>& value)
{
    return value ? json::value(static_cast<std::int64_t>(*value)) : json::value(nullptr);
}

json::value to_json(const std::optional<Nanoseconds>& value)
{
    return value ? json::value(static_cast<std::int64_t>(value->count())) : json::value(nullptr);
}

json::value id(std::int64_t value)
{
    return value == 0 ? json::value(nullptr) : json::value(value);
}

json::object to_json(const AttemptRecord& attempt)
{
    return {{"number", attempt.number},
            {"upstream_id", id(attempt.upstream_id)},
            {"upstream_name", text(attempt.upstream_name)},
            {"started_at", format_timestamp(attempt.started_at)},
            {"status", number(attempt.status)},
            {"outcome", to_string(attempt.outcome)},
            {"error", text(attempt.error)},
            {"first_byte_time", to_json(attempt.first_byte_time)},
            {"elapsed_time", attempt.elapsed_time.count()}};
}

json::object to_json(const Record& record)
{
    json::array attempts;
    for (const auto& attempt : record.attempts)
        attempts.push_back(to_json(attempt));
    return {{"request_id", text(record.request_id)},
            {"client_request_id", text(record.client_request_id)},
            {"created_at", format_timestamp(record.created_at)},
            {"node", text(record.node)},
            {"ip", text(record.ip)},
            {"key_name", text(record.key_name)},
            {"user_agent", text(record.user_agent)},
            {"method", text(record.method)},
            {"path", text(record.path)},
            {"model", record.model ? json::value(text(*record.model)) : json::value(nullptr)},
            {"stream", record.stream},
            {"body", text(record.body)},
            {"body_bytes", record.body_bytes},
            {"status", record.status},
            {"outcome", to_string(record.outcome)},
            {"error", text(record.error)},
            {"upstream_id", id(record.upstream_id)},
            {"upstream_name", text(record.upstream_name)},
            {"upstream_endpoint", text(record.upstream_endpoint)},
            {"attempts", std::move(attempts)},
            {"response", text(record.response)},
            {"response_bytes", record.response_bytes},
            {"response_time", to_json(record.response_time)},
            {"elapsed_time", record.elapsed_time.count()},
            {"prompt_tokens", number(record.prompt_tokens)},
            {"completion_tokens", number(record.completion_tokens)},
            {"total_tokens", number(record.total_tokens)},
            {"finish_reason", text(record.finish_reason)},
            {"trace_id", text(record.trace_id)}};
}

/// For another process, which has it for a line: the record writer waits, and all records with it.
constexpr std::chrono::milliseconds longest_wait{200};

/// A file of its own for a while: closed at the end, and alone with it, for other routers may append to it.
class Alone
{
  public:
    /// `flags` for open(2).
    Alone(const std::string& path, int flags)
        : file_{::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR)}
    {
        if (file_ >= 0 && !locked()) {
            const int error = errno;
            ::close(file_);
            file_ = -1;
            errno = error;
        }
    }
    ~Alone()
    {
        if (file_ >= 0)
            ::close(file_);
    }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

    /// -1: it cannot be opened, errno says why.
    int get() const { return file_; }

  private:
    bool locked() const
    {
        const auto limit = std::chrono::steady_clock::now() + longest_wait;
        while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK && std::chrono::steady_clock::now() < limit)
                std::this_thread::sleep_for(std::chrono::milliseconds{2});
            else if (errno != EINTR)
                return errno == ENOLCK || errno == ENOSYS;  // a file system without locks
        }
        return true;
    }

    int file_;
};

bool write_all(int file, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// Whether what was written last is no whole line: its writer was killed, or the machine went down.
bool is_cut_short(int file, off_t size)
{
    char last = 0;
    return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

bool RejectedFile::check()
{
    make_private(path_);
    std::string reason;
    if (::access(path_.c_str(), F_OK) != 0)
        reason = cannot_make(path_);
    else if (const Alone file{path_, O_RDWR | O_APPEND}; file.get() < 0)
        reason = fmt::format("{} can not be written: {}", path_, std::strerror(errno));
    failing_ = !reason.empty();
    if (failing_)
        spdlog::error("records that the database refuses could not be set aside: {}", escape_for_log(reason));
    return !failing_;
}

bool RejectedFile::add(const Record& record, std::string_view reason)
{
    auto object = to_json(record);
    object["reason"] = text(reason);
    const auto failure = append(json::serialize(object) + "\n");
    if (!failing_.exchange(!failure.empty()) && failing_)
        spdlog::error("{} can not be written: {}", escape_for_log(path_), failure);
    return failure.empty();
}

std::string RejectedFile::append(std::string_view line)
{
    const Alone file{path_, O_RDWR | O_CREAT | O_APPEND};
    struct stat before{};
    if (file.get() < 0 || ::fstat(file.get(), &before) != 0)
        return std::strerror(errno);
    const bool ended = !is_cut_short(file.get(), before.st_size) || write_all(file.get(), "\n");
    if (ended && write_all(file.get(), line))
        return {};
    const int error = errno;
    // A full disk: half a line would spoil the next one, too.
    if (::ftruncate(file.get(), before.st_size) != 0)
        spdlog::warn("{} ends with half a line: {}", escape_for_log(path_), std::strerror(errno));
    return std::strerror(error);
}

}  // namespace route::storage
