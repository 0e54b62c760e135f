#include "app/cli/terminal.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string_view>

extern char** environ;

namespace route::cli {
namespace {

std::string_view variable(const char* name)
{
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view{} : std::string_view{value};
}

std::size_t columns_of_terminal()
{
    constexpr std::size_t usual = 80;
    const auto said = variable("COLUMNS");
    std::size_t columns = 0;
    const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), columns);
    if (error == std::errc{} && end == said.data() + said.size() && columns > 0)
        return columns;
    winsize size = {};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return usual;
}

Terminal detect()
{
    if (::isatty(STDOUT_FILENO) == 0)
        return {};
    const auto kind = variable("TERM");
    return {columns_of_terminal(), variable("NO_COLOR").empty() && !kind.empty() && kind != "dumb"};
}

bool is_installed(std::string_view program)
{
    auto path = variable("PATH");
    while (!path.empty()) {
        const auto end = std::min(path.find(':'), path.size());
        const auto file = std::string{path.substr(0, end)} + '/' + std::string{program};
        if (::access(file.c_str(), X_OK) == 0)
            return true;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return false;
}

/// "" for none.
std::string wanted_pager()
{
    constexpr auto usual = "less";
    if (const char* pager = std::getenv("PAGER"))
        return pager == std::string_view{"cat"} ? "" : pager;
    return is_installed(usual) ? usual : "";
}

}  // namespace

const Terminal& terminal_of(const std::ostream& out)
{
    static const Terminal none;
    static const Terminal detected = detect();
    return out.rdbuf() == std::cout.rdbuf() ? detected : none;
}

Pager::Pager(std::ostream& out) : out_{out}
{
    const auto program = wanted_pager();
    if (terminal_of(out).columns == 0 || program.empty() || !start(program))
        return;
    // The reader may have seen enough before everything is written.
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &broken_pipe_);
}

bool Pager::start(const std::string& program)
{
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
        return false;
    ::setenv("LESS", "FRX", 0);  // one screen is shown as it is; colours pass
    auto command = "exec " + program;
    std::string shell = "sh";
    std::string option = "-c";
    std::array<char*, 4> arguments{shell.data(), option.data(), command.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[0], STDIN_FILENO);
    const bool started = ::posix_spawn(&pager_, "/bin/sh", &actions, nullptr, arguments.data(), environ) == 0;
    ::posix_spawn_file_actions_destroy(&actions);
    if (started) {
        out_.flush();
        terminal_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        ::dup2(pipe[1], STDOUT_FILENO);
    } else {
        pager_ = 0;
    }
    ::close(pipe[0]);
    ::close(pipe[1]);
    return started;
}

Pager::~Pager()
{
    if (pager_ == 0)
        return;
    out_.flush();
    out_.clear();  // a reader who left early is no failure
    ::dup2(terminal_, STDOUT_FILENO);
    ::close(terminal_);
    // Ctrl-C is for the pager.
    struct sigaction ignore = {};
    struct sigaction before = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &before);
    while (::waitpid(pager_, nullptr, 0) < 0 && errno == EINTR) {
    }
    ::sigaction(SIGINT, &before, nullptr);
    ::sigaction(SIGPIPE, &broken_pipe_, nullptr);
}

}  // namespace route::cli
