# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it: folders, the node that the suites need, a server to test.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
peers=$repository/tests/peers
cache=$repository/.ci/cache
logs=$cache/logs
mkdir -p "$logs"

server_pid=
server_url=

fail() {
    echo "$*" >&2
    exit 1
}

# The folder that holds what `.ci/install` installed for one of the peers.
installed() {
    [[ -d $cache/peers/$1 ]] || fail "tests/peers/$1 is not installed: run .ci/install"
    echo "$cache/peers/$1"
}

node_binary() {
    local found
    found=$(compgen -G "$(installed node)/node_modules/node-linux-*/bin/node") || fail "no node in .ci/cache"
    echo "$found"
}

# Builds the example that serves every fixture, and says where it is. EVERYTHING names another
# program to test in its place, called with the same arguments.
everything() {
    if [[ -n ${EVERYTHING:-} ]]; then
        echo "$EVERYTHING"
        return
    fi
    cargo build --quiet --release --locked --example everything --manifest-path "$repository/Cargo.toml" >&2 ||
        fail "examples/everything does not build"
    echo "${CARGO_TARGET_DIR:-$repository/target}/release/examples/everything"
}

# start_server LOG PROGRAM ARGUMENTS...: serves on a free port, sets server_pid and server_url.
start_server() {
    local log=$1 program=$2
    shift 2
    # Emptied first: else the address of the server before may be found in it.
    : >"$log"
    "$program" serve --listen 127.0.0.1:0 "$@" >>"$log" 2>&1 </dev/null &
    server_pid=$!
    trap 'kill -KILL "$server_pid" 2>/dev/null || true' EXIT
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        server_url=$(grep -aoEm1 'http://127\.0\.0\.1:[1-9][0-9]*/mcp' "$log" | head -n 1) || true
        [[ -z $server_url ]] || return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.05
    done
    cat "$log" >&2
    fail "no server came up: $program serve --listen 127.0.0.1:0 $*"
}

# Ends the server as a service manager would. It may take its drain of ten seconds, since a call whose
# legacy client went away runs to its end; one that takes longer, or ends with anything but 0, fails.
stop_server() {
    local tries
    kill -0 "$server_pid" 2>/dev/null || fail "the server died while it was tested"
    kill -TERM "$server_pid"
    for ((tries = 0; tries < 240; tries++)); do
        if ! kill -0 "$server_pid" 2>/dev/null; then
            trap - EXIT
            wait "$server_pid" || fail "the server ended with $?"
            return 0
        fi
        sleep 0.05
    done
    fail "the server did not end within 12 s of SIGTERM"
}
