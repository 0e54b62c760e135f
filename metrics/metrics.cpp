#include "metrics/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>

#include "metrics/endpoint_label.hpp"
#include "metrics/model_label.hpp"
#include "metrics/process_metrics.hpp"

namespace route::metrics {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// Models think for minutes; the router itself and the database should take micro- and milliseconds.
const Buckets duration_buckets{0.05, 0.1, 0.25, 0.5, 1,  2.5, 5,   10,  15,
                               20,   30,  45,   60,  90, 120, 180, 300, 600};
const Buckets first_byte_buckets{0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1,  1.5, 2,
                                 3,    5,   7.5, 10,  15,  20,   30, 60,  120};
const Buckets overhead_buckets{1e-5, 2.5e-5, 5e-5,  1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3,
                               5e-3, 0.01,   0.025, 0.05, 0.1,    0.25, 0.5,  1};
const Buckets write_buckets{5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

constexpr std::size_t outcomes = static_cast<std::size_t>(AttemptOutcome::client_closed) + 1;

std::string name(const char* rest)
{
    return std::string{"openai_api_route_"} + rest;
}

double seconds(Nanoseconds time)
{
    return std::chrono::duration<double>{time}.count();
}

/// Numbers threads' caches apart by the Metrics they belong to; an address could come back.
std::uint64_t next_identity()
{
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

struct Metrics::Instruments
{
    explicit Instruments(std::string_view version)
    {
        prometheus::BuildGauge()
            .Name(name("build_info"))
            .Help("1, with the version of the router as label.")
            .Register(registry)
            .Add({{"version", label_text(version)}})
            .Set(1);
    }

    Family<Counter>& counters(const char* rest, const char* help)
    {
        return prometheus::BuildCounter().Name(name(rest)).Help(help).Register(registry);
    }
    Family<Histogram>& histograms(const char* rest, const char* help)
    {
        return prometheus::BuildHistogram().Name(name(rest)).Help(help).Register(registry);
    }

    const std::uint64_t identity = next_identity();
    ModelNames models;
    prometheus::Registry registry;

    Family<Counter>& requests = counters("requests_total", "Finished requests.");
    Family<Histogram>& durations =
        histograms("request_duration_seconds", "Time from a request's first byte to the end of its reply.");
    Family<Histogram>& first_bytes = histograms(
        "time_to_first_byte_seconds", "Time until the first byte of a reply was sent to the client.");
    Histogram& overhead =
        histograms("overhead_seconds", "Time of a request in the router itself, waiting left out.")
            .Add({}, overhead_buckets);
    Family<Counter>& attempts = counters("attempts_total", "Tries of upstreams.");
    Family<Counter>& failovers =
        counters("failovers_total", "Failed tries of an upstream after which the next one was tried.");
    Family<Counter>& retries =
        counters("retries_total", "Further tries of an upstream for the same request.");
    Family<Counter>& hedges =
        counters("hedges_total", "Tries of a second upstream beside a first that took its time.");
    Family<Counter>& tokens = counters("tokens_total", "Tokens that replies reported.");
    Counter& written = counters("records_written_total", "Records written to the database.").Add({});
    Counter& dropped =
        counters("records_dropped_total", "Records lost because nothing could take them.").Add({});
    Counter& rejected =
        counters("records_rejected_total", "Records the database refused, set aside in a file.").Add({});
    Histogram& write_time =
        histograms("record_write_seconds", "Time to write one batch of records.").Add({}, write_buckets);
    Family<Counter>& notifications = counters("notifications_total", "Messages sent to people.");
};

/// One thread's references to the series of one upstream; null until first needed, since looking a label set
/// up is slow.
struct Metrics::UpstreamSeries
{
    std::string label;
    std::array<Counter*, outcomes> attempts{};
    std::array<Counter*, outcomes> failovers{};
    Counter* retries = nullptr;
    std::array<Counter*, 2> hedges{};
    std::array<Histogram*, 2> first_bytes{};

    struct Tokens
    {
        Counter* prompt = nullptr;
        Counter* completion = nullptr;
    };
    std::unordered_map<std::size_t, Tokens> tokens = {};  ///< by the model's index
};

struct Metrics::ThreadCache
{
    std::uint64_t identity = 0;
    KnownModels models;
    std::unordered_map<std::uint64_t, Counter*> requests;
    std::vector<Histogram*> durations = std::vector<Histogram*>(endpoint_labels());
    StringMap<UpstreamSeries> upstreams;

    UpstreamSeries& upstream(const std::string& upstream_name)
    {
        if (const auto found = upstreams.find(upstream_name); found != upstreams.end())
            return found->second;
        return upstreams.emplace(upstream_name, UpstreamSeries{label_text(upstream_name)}).first->second;
    }
};

namespace {

/// The series behind `reference`, looked up the first time.
template <class T, class MakeLabels, class... Arguments>
T& series(T*& reference, Family<T>& family, MakeLabels labels, const Arguments&... arguments)
{
    if (reference == nullptr)
        reference = &family.Add(labels(), arguments...);
    return *reference;
}

/// Whether an upstream has served it, a WebSocket or a response over one, too.
bool succeeded(const Record& record)
{
    // Of a failure that was told as an event nothing was an upstream's.
    const bool served = record.outcome == RequestOutcome::ok || record.response_bytes > 0;
    return (record.status >= 200 && record.status < 300 && served) ||
           (record.status == 101 && record.outcome == RequestOutcome::ok);
}

/// A status has ten bits, the other parts eight: more than enough for each.
std::uint64_t request_key(std::size_t endpoint, std::size_t model, const Record& record)
{
    return static_cast<std::uint64_t>(endpoint) << 40 | static_cast<std::uint64_t>(model) << 32 |
           static_cast<std::uint64_t>(record.outcome) << 24 | record.status;
}

}  // namespace

Metrics::Metrics(std::string_view version, Gauges gauges)
    : gauges_{std::move(gauges)}, instruments_{std::make_unique<Instruments>(version)}
{
}

Metrics::~Metrics() = default;

Metrics::ThreadCache& Metrics::cache() const
{
    thread_local ThreadCache own;
    if (own.identity != instruments_->identity) {
        own = ThreadCache{};
        own.identity = instruments_->identity;
    }
    return own;
}

void Metrics::observe(const Record& record)
{
    auto& own = cache();
    auto& to = *instruments_;
    const auto endpoint = endpoint_index(record.path);
    const auto model = own.models.index(to.models, record.model, succeeded(record));

    const auto request_labels = [&] {
        return prometheus::Labels{{"endpoint", std::string{endpoint_label(endpoint)}},
                                  {"model", to.models.label(model)},
                                  {"code", std::to_string(record.status)},
                                  {"outcome", std::string{to_string(record.outcome)}}};
    };
    series(own.requests[request_key(endpoint, model, record)], to.requests, request_labels).Increment();

    const auto endpoint_labels_of = [&] {
        return prometheus::Labels{{"endpoint", std::string{endpoint_label(endpoint)}}};
    };
    series(own.durations[endpoint], to.durations, endpoint_labels_of, duration_buckets)
        .Observe(seconds(record.elapsed_time));
    if (record.overhead)
        to.overhead.Observe(seconds(*record.overhead));
    observe_attempts(own, record);
}

void Metrics::observe_attempts(ThreadCache& own, const Record& record)
{
    auto& to = *instruments_;
    const auto& attempts = record.attempts;
    for (auto at = attempts.begin(); at != attempts.end(); ++at) {
        const auto& attempt = *at;
        auto& upstream = own.upstream(attempt.upstream_name);
        const auto labels = [&](const char* what) {
            return prometheus::Labels{{"upstream", upstream.label},
                                      {what, std::string{to_string(attempt.outcome)}}};
        };
        const auto outcome = static_cast<std::size_t>(attempt.outcome);
        series(upstream.attempts[outcome], to.attempts, [&] { return labels("outcome"); }).Increment();
        const auto same = [&](const AttemptRecord& other) {
            return other.upstream_name == attempt.upstream_name;
        };
        const bool failed = attempt.outcome != AttemptOutcome::ok &&
                            attempt.outcome != AttemptOutcome::superseded &&
                            attempt.outcome != AttemptOutcome::client_closed;
        const bool failed_over =
            failed && !record.asked_together && std::next(at) != attempts.end() && !same(*std::next(at));
        if (failed_over)
            series(upstream.failovers[outcome], to.failovers, [&] { return labels("reason"); }).Increment();
        if (std::any_of(attempts.begin(), at, same)) {
            const auto label = [&] { return prometheus::Labels{{"upstream", upstream.label}}; };
            series(upstream.retries, to.retries, label).Increment();
        }
    }
    if (!record.hedged_upstream.empty()) {
        auto& upstream = own.upstream(record.hedged_upstream);
        const auto labels = [&] {
            return prometheus::Labels{{"upstream", upstream.label},
                                      {"won", record.hedge_won ? "true" : "false"}};
        };
        series(upstream.hedges[record.hedge_won ? 1 : 0], to.hedges, labels).Increment();
    }
    if (record.upstream_name.empty() || !record.response_time)
        return;
    auto& upstream = own.upstream(record.upstream_name);
    const auto labels = [&] {
        return prometheus::Labels{{"upstream", upstream.label}, {"stream", record.stream ? "true" : "false"}};
    };
    series(upstream.first_bytes[record.stream ? 1 : 0], to.first_bytes, labels, first_byte_buckets)
        .Observe(seconds(*record.response_time));
}

void Metrics::observe_tokens(const Record& record)
{
    if (record.upstream_name.empty() || (!record.prompt_tokens && !record.completion_tokens))
        return;
    auto& own = cache();
    auto& to = *instruments_;
    auto& upstream = own.upstream(record.upstream_name);
    const auto model = own.models.index(to.models, record.model, succeeded(record));
    auto& tokens = upstream.tokens[model];
    const auto add = [&](Counter*& counter, const char* type, std::optional<std::int64_t> count) {
        if (!count || *count <= 0)
            return;
        const auto labels = [&] {
            return prometheus::Labels{
                {"upstream", upstream.label}, {"model", to.models.label(model)}, {"type", type}};
        };
        series(counter, to.tokens, labels).Increment(static_cast<double>(*count));
    };
    add(tokens.prompt, "prompt", record.prompt_tokens);
    add(tokens.completion, "completion", record.completion_tokens);
}

void Metrics::records_written(std::uint64_t count)
{
    instruments_->written.Increment(static_cast<double>(count));
}

void Metrics::records_dropped(std::uint64_t count)
{
    instruments_->dropped.Increment(static_cast<double>(count));
}

void Metrics::record_rejected()
{
    instruments_->rejected.Increment();
}

void Metrics::record_write_seconds(double seconds)
{
    instruments_->write_time.Observe(seconds);
}

void Metrics::has_channel(std::string_view channel)
{
    for (const char* result : {"ok", "failed", "dropped"})
        instruments_->notifications.Add({{"channel", label_text(channel)}, {"result", result}});
}

void Metrics::notification(std::string_view channel, std::string_view result)
{
    instruments_->notifications.Add({{"channel", label_text(channel)}, {"result", label_text(result)}})
        .Increment();
}

namespace {

prometheus::MetricFamily upstreams_up(const std::vector<std::pair<std::string, bool>>& upstreams)
{
    prometheus::MetricFamily family{name("upstream_up"),
                                    "1 when an upstream is tried in its order, 0 in cooldown.",
                                    prometheus::MetricType::Gauge,
                                    {}};
    for (const auto& [upstream, up] : upstreams) {
        prometheus::ClientMetric metric;
        metric.label = {{"upstream", label_text(upstream)}};
        metric.gauge.value = up ? 1 : 0;
        family.metric.push_back(std::move(metric));
    }
    return family;
}

}  // namespace

namespace {

void add_storage(std::vector<prometheus::MetricFamily>& families, const Gauges& gauges)
{
    const auto add = [&](const char* rest, const char* help, std::uint64_t value) {
        families.push_back(gauge(name(rest), help, static_cast<double>(value)));
    };
    if (const auto bytes = gauges.database_bytes ? gauges.database_bytes() : std::nullopt)
        add("database_bytes", "What the database takes, free pages of SQLite's left out.", *bytes);
    if (const auto disk = gauges.disk ? gauges.disk() : std::nullopt) {
        add("disk_free_bytes", "Free on the disk of the database file and the outbox.", disk->free);
        add("disk_bytes", "Size of that disk.", disk->total);
    }
}

}  // namespace

std::string Metrics::text() const
{
    auto families = instruments_->registry.Collect();
    // Made anew each time instead of registered: nothing of an upstream that is gone stays behind.
    const auto add = [&](const char* rest, const char* help, const std::function<std::uint64_t()>& value) {
        if (value)
            families.push_back(gauge(name(rest), help, static_cast<double>(value())));
    };
    add("requests_in_flight", "Requests being served now.", gauges_.requests_in_flight);
    add("record_queue_bytes", "Memory of the records that wait to be written.", gauges_.record_queue_bytes);
    add("outbox_records", "Records in the outbox that wait for the database.", gauges_.outbox_records);
    add_storage(families, gauges_);
    if (gauges_.log_lines_dropped)
        families.push_back(counter(name("log_lines_dropped_total"),
                                   "Lines of the log that nobody read in time.",
                                   static_cast<double>(gauges_.log_lines_dropped())));
    if (gauges_.upstreams)
        if (auto family = upstreams_up(gauges_.upstreams()); !family.metric.empty())
            families.push_back(std::move(family));
    auto of_process = process_metrics();
    std::move(of_process.begin(), of_process.end(), std::back_inserter(families));
    return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace route::metrics
