# Shared by run, test and bench: finding what a machine lacks, and getting it. Sourced, not run.

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf '\033[31mroost: %s\033[0m\n' "$*" >&2; exit 1; }

# packages NAME...: installs Debian packages where it may, else names the command.
packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || fail "these packages are missing, install them with your package manager: ${missing[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || fail "these packages are missing: sudo apt-get install ${missing[*]}"
        root=(sudo -n)
    fi
    say "Installing ${missing[*]}"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"${TMPDIR:-/tmp}/roost-apt.log" 2>&1 ||
        { "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } ||
        fail "could not install ${missing[*]}: see the lines above"
}

# What tests need for an engine of their own. A Docker that is there already is not replaced by Debian's.
engine() {
    packages busybox-static iproute2 iptables
    command -v dockerd >/dev/null || packages docker.io
}

# rust: cargo new enough for the lock file.
rust() {
    command -v cargo >/dev/null || { [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
    command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs, then run this again"
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(cargo --version | sed 's/cargo \([0-9.]*\).*/\1/')
    [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
        fail "Rust $wanted or newer is needed, this is $have: rustup update stable"
}

compiler() { command -v cc >/dev/null || packages gcc libc6-dev; }

# node: any Node from 18 on starts the scripts; the project brings the one that builds.
node_and_npm() {
    if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
        packages nodejs npm
    fi
    local major
    major=$(node --version | sed 's/v\([0-9]*\).*/\1/')
    [ "$major" -ge 18 ] || fail "Node 18 or newer is needed, this is $(node --version): see https://nodejs.org"
}

# jobs: how many compilers fit into the memory that is free (about 1.5 GiB each at the worst), at most one a core.
jobs() {
    local free cores limit
    free=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
    limit=$(memory_limit)
    [ -n "$limit" ] && [ "$limit" -lt "$free" ] && free=$limit
    free=$((free / 1536))
    cores=$(nproc)
    [ "$free" -lt 1 ] && free=1
    [ "$free" -lt "$cores" ] && echo "$free" || echo "$cores"
}

# memory_limit: MiB that a container or a cgroup leaves to this shell; nothing where it leaves all.
memory_limit() {
    local old new
    old=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    new=$(sed -n 's/^0:://p' /proc/self/cgroup)
    cat "/sys/fs/cgroup/memory$old/memory.limit_in_bytes" "/sys/fs/cgroup/memory/memory.limit_in_bytes" \
        "/sys/fs/cgroup$new/memory.max" /sys/fs/cgroup/memory.max 2>/dev/null |
        awk '/^[0-9]+$/ && (least == "" || $1 < least) {least = $1} END {if (least != "" && least < 2 ^ 50) print int(least / 1048576)}'
}

# web: installs the web console's libraries when the lock file has changed, then builds it when a source has.
web() {
    local stamp=web/node_modules/.roost-lock
    if ! cmp -s web/package-lock.json "$stamp"; then
        say "Fetching the web console's libraries"
        (cd web && npm ci --no-audit --no-fund --loglevel=error) || fail "npm ci failed in web/: see the lines above"
        cp web/package-lock.json "$stamp"
    fi
    if [ ! -f web/dist/index.html ] || [ -n "$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -newer web/dist/index.html -print -quit)" ]; then
        say "Building the web console"
        (cd web && npm run --silent build) || fail "the web console did not build: see the lines above"
        touch web/dist/index.html
    fi
}
