#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <iosfwd>
#include <string>

namespace route::cli {

/// Where a command's output goes.
struct Terminal
{
    std::size_t columns = 0;  ///< 0: to no terminal, so that nothing is cut
    bool colour = false;      ///< none with NO_COLOR, nor on a terminal that knows none
};

/// What `out` is, found out at the first call: a pager comes between later.
const Terminal& terminal_of(const std::ostream& out);

/// While it lives, what goes to `out` passes through $PAGER (else `less`, if it is there) when it is a
/// terminal. Ends when the reader does.
class Pager
{
  public:
    explicit Pager(std::ostream& out);
    ~Pager();
    Pager(const Pager&) = delete;
    Pager& operator=(const Pager&) = delete;

  private:
    bool start(const std::string& program);

    std::ostream& out_;
    pid_t pager_ = 0;
    int terminal_ = -1;  ///< standard output as it was
    struct sigaction broken_pipe_ = {};
};

}  // namespace route::cli
