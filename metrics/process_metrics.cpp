#include "metrics/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace route::metrics {

namespace {

/// The fields of /proc/self/stat that are wanted; proc(5).
struct ProcessStat
{
    double user_ticks = 0;
    double system_ticks = 0;
    double threads = 0;
    double start_ticks = 0;  ///< since boot
    double virtual_bytes = 0;
    double resident_pages = 0;
};

std::optional<ProcessStat> read_stat()
{
    std::ifstream file{"/proc/self/stat"};
    std::string line;
    if (!std::getline(file, line))
        return std::nullopt;
    // The second field is the program's name in parentheses and may hold anything.
    const auto name_end = line.rfind(") ");
    if (name_end == line.npos)
        return std::nullopt;
    std::istringstream in{line.substr(name_end + 2)};
    const auto skip = [&in](int fields) {
        for (std::string field; fields > 0; --fields)
            in >> field;
    };
    ProcessStat stat;
    skip(11);  // 3 (state) to 13
    in >> stat.user_ticks >> stat.system_ticks;
    skip(4);  // 16 to 19
    in >> stat.threads;
    skip(1);  // 21
    in >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages;
    return in ? std::optional{stat} : std::nullopt;
}

/// When the machine started, in seconds since 1970.
std::optional<double> boot_time()
{
    std::ifstream file{"/proc/stat"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("btime "))
            return std::stod(line.substr(6));
    return std::nullopt;
}

std::optional<double> open_files()
{
    std::error_code error;
    double count = -1;  // the directory itself is open while it is read
    for (std::filesystem::directory_iterator it{"/proc/self/fd", error}, end; !error && it != end;
         it.increment(error))
        ++count;
    return error ? std::nullopt : std::optional{count};
}

}  // namespace

prometheus::MetricFamily gauge(std::string name, std::string help, double value)
{
    prometheus::ClientMetric metric;
    metric.gauge.value = value;
    return {std::move(name), std::move(help), prometheus::MetricType::Gauge, {std::move(metric)}};
}

prometheus::MetricFamily counter(std::string name, std::string help, double value)
{
    prometheus::ClientMetric metric;
    metric.counter.value = value;
    return {std::move(name), std::move(help), prometheus::MetricType::Counter, {std::move(metric)}};
}

std::vector<prometheus::MetricFamily> process_metrics()
{
    std::vector<prometheus::MetricFamily> families;
    if (const auto stat = read_stat()) {
        const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
        families.push_back(counter("process_cpu_seconds_total",
                                   "User and system CPU time of the process in seconds.",
                                   (stat->user_ticks + stat->system_ticks) / ticks));
        families.push_back(gauge("process_threads", "Threads of the process.", stat->threads));
        families.push_back(gauge("process_virtual_memory_bytes", "Virtual memory of the process in bytes.",
                                 stat->virtual_bytes));
        families.push_back(gauge("process_resident_memory_bytes", "Resident memory of the process in bytes.",
                                 stat->resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE))));
        if (const auto boot = boot_time())
            families.push_back(gauge("process_start_time_seconds",
                                     "When the process started, in seconds since the Unix epoch.",
                                     *boot + stat->start_ticks / ticks));
    }
    if (const auto files = open_files())
        families.push_back(gauge("process_open_fds", "Open file descriptors of the process.", *files));
    rlimit files_limit{};
    if (getrlimit(RLIMIT_NOFILE, &files_limit) == 0)
        families.push_back(gauge("process_max_fds", "Largest number of open file descriptors allowed.",
                                 static_cast<double>(files_limit.rlim_cur)));
    return families;
}

}  // namespace route::metrics
