#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/record.hpp"

namespace route::metrics {

/// Of the disk on which records are kept.
struct Disk
{
    std::uint64_t free = 0;   ///< bytes
    std::uint64_t total = 0;  ///< bytes
};

/// Values that others know or count, asked for at each exposition on the thread that calls Metrics::text().
/// One left empty is not exposed.
struct Gauges
{
    std::function<std::uint64_t()> requests_in_flight = {};
    std::function<std::uint64_t()> record_queue_bytes = {};
    std::function<std::uint64_t()> outbox_records = {};
    /// Nothing: it is not known yet.
    std::function<std::optional<std::uint64_t>()> database_bytes = {};
    std::function<std::optional<Disk>()> disk = {};
    std::function<std::uint64_t()> log_lines_dropped = {};  ///< since the start
    /// Name of each upstream there is now, and whether it is up (not in cooldown).
    std::function<std::vector<std::pair<std::string, bool>>()> upstreams = {};
};

/// The instruments (SPEC 7). Every function may be called on any thread. The counters of a thread are found
/// without a lock once it has seen their labels.
class Metrics
{
  public:
    Metrics(std::string_view version, Gauges gauges);
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// Counts a finished request, authenticated or not; on the event loop's thread.
    void observe(const Record& record);

    /// Counts what the reply cost; once the tokens are known, after complete_record().
    void observe_tokens(const Record& record);

    void records_written(std::uint64_t count);
    void records_dropped(std::uint64_t count);
    /// One that the database refuses by itself and that is set aside.
    void record_rejected();
    /// How long one batch took to be written.
    void record_write_seconds(double seconds);
    /// Messages to one channel ("feishu", "matrix") are counted from now on, so that the first that fails is
    /// a change Prometheus sees.
    void has_channel(std::string_view channel);
    /// One message to one channel; `result` is "ok", "failed" or "dropped".
    void notification(std::string_view channel, std::string_view result);

    /// The exposition in Prometheus' text format, version 0.0.4.
    std::string text() const;

  private:
    struct Instruments;
    struct UpstreamSeries;
    struct ThreadCache;

    ThreadCache& cache() const;
    void observe_attempts(ThreadCache& cache, const Record& record);

    Gauges gauges_;
    std::unique_ptr<Instruments> instruments_;
};

}  // namespace route::metrics
