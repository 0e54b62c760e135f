#pragma once

#include <sys/resource.h>

#include <csignal>

namespace route::test {

/// While it lives no file of this process grows beyond so many bytes: a write that would is cut short, as on
/// a full disk.
class SmallDisk
{
  public:
    explicit SmallDisk(rlim_t bytes) : previous_{std::signal(SIGXFSZ, SIG_IGN)}
    {
        ::getrlimit(RLIMIT_FSIZE, &limit_);
        const rlimit small{bytes, limit_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    ~SmallDisk()
    {
        ::setrlimit(RLIMIT_FSIZE, &limit_);
        std::signal(SIGXFSZ, previous_);
    }

  private:
    rlimit limit_{};
    void (*previous_)(int);
};

}  // namespace route::test
