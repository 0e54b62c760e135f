"""Holds every #include against the arrows between the rooms. Prints what breaks them; exit code 1 if anything does."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

NET = {"core/net/waiting", "core/net/transport", "core/net/loop", "core/net/http"}

# Which rooms' headers a room may include, beside its own.
MAY_USE = {
    "core": set(),
    # Its rooms from the bottom to the top; the line of a request is core/net itself.
    "core/net/waiting": {"core"},
    "core/net/transport": {"core", "core/net/waiting"},
    "core/net/loop": {"core", "core/net/waiting", "core/net/transport"},
    "core/net/http": {"core", *NET - {"core/net/http"}},
    "core/net": {"core", *NET},
    "storage": {"core"},
    "metrics": {"core"},
    "notify": {"core", "core/net", *NET},
    "app": {"core", "core/net", *NET, "storage", "metrics", "notify"},
    "tests": {"core", "core/net", *NET, "storage", "metrics", "notify", "app"},
}

# What only some rooms may touch: a pattern in angle brackets, and the rooms it belongs to.
BELONGS_TO = [
    # Beast's names of fields and statuses are values, not I/O.
    (r"boost/(asio|beast(?!/http/(field|status|verb)\.hpp))", {"core/net", *NET, "tests"}),
    # asio.hpp names Asio's types with a concrete executor for all of core/net.
    (r"boost/asio/(ip/(tcp|udp)|local|posix|ssl(?!/error)|basic_\w*(socket|acceptor))|boost/asio\.hpp", {"core/net/transport", "core/net/waiting", "tests"}),
    (r"sys/socket\.h|netinet/|arpa/|netdb\.h", {"core/net/transport", "tests"}),
    (r"sys/epoll\.h", {"core/net/waiting", "tests"}),
    (r"SQLiteCpp/|sqlite3\.h|pqxx/|libpq-fe\.h", {"storage", "tests"}),
    (r"prometheus/", {"metrics", "tests"}),
    (r"toml\+\+/|CLI/", {"app", "tests"}),
    (r"fstream|filesystem|iostream|thread|mutex|condition_variable|unistd\.h|fcntl\.h|spdlog/", set(MAY_USE) - {"core"}),
]

# What a single file may do all the same, and why.
ALLOWED = {
    # libpq waits for an answer for ever: only shutdown(2) of its socket ends that.
    ("storage/postgres/watchdog.cpp", "sys/socket.h"),
    # accept4(2) and SO_REUSEPORT.
    ("core/net/server.cpp", "sys/socket.h"),
    # Whether a word is an address.
    ("app/config/config_values.cpp", "arpa/inet.h"),
}

# core/ decides with what it is given: it reads no clock.
CLOCK_READ = re.compile(r"_clock::now\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def room_of(path: str) -> str | None:
    return next((room for room in sorted(MAY_USE, key=len, reverse=True) if path.startswith(room + "/")), None)


def complaints(file: pathlib.Path):
    room = room_of(file.relative_to(ROOT).as_posix())
    for number, line in enumerate(file.read_text().splitlines(), 1):
        where = f"{file.relative_to(ROOT)}:{number}"
        include = INCLUDE.match(line)
        if include and include[1]:
            used = room_of(include[1])
            if used is None:
                yield f'{where}: "{include[1]}" is not written from the root of the project'
            elif used != room and used not in MAY_USE[room]:
                yield f"{where}: {room} may not use {used} ({include[1]})"
        if include and include[2]:
            for pattern, rooms in BELONGS_TO:
                allowed = room in rooms or (file.relative_to(ROOT).as_posix(), include[2]) in ALLOWED
                if re.match(pattern, include[2]) and not allowed:
                    yield f"{where}: <{include[2]}> does not belong in {room}"
        if room == "core" and CLOCK_READ.search(line):
            yield f"{where}: core reads no clock: time comes in as a parameter"


def main() -> int:
    files = [file for room in MAY_USE for suffix in ("cpp", "hpp") for file in (ROOT / room).rglob(f"*.{suffix}")]
    found = sorted({complaint for file in files for complaint in complaints(file)})
    for complaint in found:
        print(complaint)
    print(f"{len(set(files))} files, {len(found)} against the arrows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
