# shellcheck shell=bash
# Words on the screen, failures and small helpers. Sourced by `flowstack`; uses ROOT and RUN_DIR.

STARTED_AT=$SECONDS
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' PLAIN=''
fi

# A line of progress: `say kafka "ready on 127.0.0.1:18001"`.
say() {
    printf '%s%4ds%s %s%-12s%s %s\n' "$DIM" $((SECONDS - STARTED_AT)) "$PLAIN" "$BOLD" "$1" "$PLAIN" "$2"
}

# What failed, why, and where its log is; then exit 1. `fail <what> <why> [log file]`
fail() {
    complain "$@"
    exit 1
}

# The same as fail, without the exit.
complain() {
    local what=$1 why=$2 log=${3:-}
    printf '%s%s failed:%s %s\n' "$RED" "$what" "$PLAIN" "$why" >&2
    if [[ -n $log && -s $log ]]; then
        printf '  the last lines of its log:\n' >&2
        tail -n 15 "$log" | cut -c 1-400 | sed 's/^/  | /' >&2
    fi
    if [[ -n $log ]]; then
        printf '  log: %s\n' "$log" >&2
    fi
}

usage_error() {
    printf '%s\n\n' "flowstack: $1" >&2
    usage >&2
    exit 2
}

# How often `wait_until` looks. Small, since most things are there within a second.
POLL_SECONDS=0.1

# wait_until <seconds> <command…>: true as soon as the command is, false after the time.
wait_until() {
    local deadline=$(( $(now_ms) + $1 * 1000 ))
    shift
    until "$@"; do
        (( $(now_ms) < deadline )) || return 1
        sleep "$POLL_SECONDS"
    done
}

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s' "${t%???}"
}

# HTTP status of a GET on 127.0.0.1, or nothing. The base image has no curl.
http_status() {
    local port=$1 path=$2
    # shellcheck disable=SC2016  # expanded by the inner bash
    timeout 3 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" "$2" >&3
        read -r -u 3 _ status _ && printf "%s" "$status"
    ' _ "$port" "$path" 2>/dev/null
}

# The body of a GET on 127.0.0.1.
http_body() {
    local port=$1 path=$2
    # shellcheck disable=SC2016  # expanded by the inner bash
    timeout 3 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" "$2" >&3
        sed "1,/^\r*$/d" <&3
    ' _ "$port" "$path" 2>/dev/null
}

# One command at a time changes a run directory. The lock is fd 9, which started processes close.
lock_run_dir() {
    mkdir -p "$RUN_DIR/pids" "$RUN_DIR/log"
    exec 9>"$RUN_DIR/lock"
    if ! flock --nonblock 9; then
        say lock "another flowstack command works on $RUN_DIR, waiting"
        flock --timeout 300 9 || fail lock "another flowstack command holds $RUN_DIR/lock for 5 minutes"
    fi
}

unlock_run_dir() {
    exec 9>&-
}

# A name for this run directory that is short enough for socket paths.
run_dir_hash() {
    printf '%s' "$RUN_DIR" | sha256sum | cut -c 1-12
}

random_hex() {
    od -An -vtx1 -N "$1" /dev/urandom | tr -d ' \n'
}
