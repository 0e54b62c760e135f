# Debian packages, installed only when they are missing. Sourced by app/run and tests/run.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$0: $*"; exit 1; }

# What the program is built with; Debian names its Boost packages after their version.
build_packages() {
    local boost
    case "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" in
        bookworm) boost=1.81 ;;
        trixie) boost=1.83 ;;
        *) boost= ;;
    esac
    echo cmake ninja-build g++ pkg-config ccache ca-certificates \
        "libboost$boost-dev" "libboost-json$boost-dev" "libboost-url$boost-dev" \
        libssl-dev zlib1g-dev libzstd-dev libbrotli-dev libsqlitecpp-dev libsqlite3-dev libpqxx-dev libfmt-dev libspdlog-dev \
        libsimdjson-dev libtomlplusplus-dev libcli11-dev prometheus-cpp-dev
}

missing_packages() {
    local package
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Shows apt's own percentage on a terminal, in one line; elsewhere nothing.
show_percent() {
    local kind name percent what
    while IFS=: read -r kind name percent what; do
        [ -t 2 ] && case $kind in dlstatus | pmstatus) printf '\r\e[K  %3.0f %%  %.60s' "$percent" "$what" >&2 ;; esac
    done
    if [ -t 2 ]; then printf '\r\e[K' >&2; fi
}

apt() {
    LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y -o APT::Status-Fd=3 "$@" 3> >(show_percent)
}

# install_packages WHAT-FOR PACKAGE...
install_packages() {
    local purpose=$1 missing log
    shift
    command -v dpkg-query >/dev/null || fail "this script installs Debian packages, and this is no Debian: app/packages.sh lists what is needed"
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "These packages are needed $purpose and not installed. As root:"
        say "    apt-get update && apt-get install --no-install-recommends $missing"
        exit 1
    fi
    say "==> installing what is needed $purpose: $missing"
    log=$(mktemp)
    # The lists of a fresh system are empty or old: refreshed only when what is there does not do.
    if ! apt install --no-install-recommends $missing >"$log" 2>&1; then
        apt update >"$log" 2>&1 && apt install --no-install-recommends $missing >>"$log" 2>&1 || {
            tail -n 30 "$log" >&2
            fail "apt-get could not install them; all it said is in $log"
        }
    fi
    rm -f "$log"
}

# Shows what a command said only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "$1 failed"
    fi
    rm -f "$log"
}

# How long a whole build takes: 6.5 minutes of one fast core, up to 16 of a slow one.
build_minutes() {
    local jobs least most
    jobs=$(build_jobs)
    least=$(((13 + 2 * jobs - 1) / (2 * jobs)))
    most=$(((16 + jobs - 1) / jobs))
    if [ "$most" = 1 ]; then echo "about a minute"; else echo "$least to $most minutes"; fi
}

# How many compilers at once: one per core, and 1.5 GB of free memory for each.
build_jobs() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo 2>/dev/null) || memory=$cores
    [ "$memory" -ge 1 ] || memory=1
    echo $((memory < cores ? memory : cores))
}
