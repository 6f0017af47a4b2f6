#!/usr/bin/env bash
# The supervisor, pause and kill of ./flowstack, on processes that stand in for services.
set -Eeuo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
RUN_DIR=$(mktemp -d)
BIN_DIR=$RUN_DIR/bin
LANES=4
FLOWSTACK_SERVICES=(gateway payment)
unset FLOWSTACK_SUPERVISE
for part in common process stack supervise; do
    # shellcheck disable=SC1090
    source "$ROOT/tools/dev/$part.sh"
done

clean_up() {
    local name
    for name in $(process_names); do
        stop_process "$name" 5 >/dev/null 2>&1 || true
    done
    rm -rf "$RUN_DIR"
}
trap clean_up EXIT

# Stand-ins: a service is a shell with a child, nothing listens, and no settings are needed.
mkdir -p "$BIN_DIR" "$RUN_DIR/pids" "$RUN_DIR/log"
for program in flowstack-gateway flowstack-payment flowstack-sandbox; do
    printf '#!/bin/sh\nsleep 60 &\nwait\n' >"$BIN_DIR/$program"
    chmod +x "$BIN_DIR/$program"
done
instance_environment() { INSTANCE_ENV=("STAND_IN=1"); }
load_stack() { :; }
usage_error() { printf '%s\n' "$1" >&2; exit 2; }
SUPERVISE_SECONDS=0.1
restart_pause() { printf 0; }

expect() {
    local what=$1
    shift
    if wait_until 20 "$@"; then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s\n' "$what" >&2
        exit 1
    fi
}
state_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    stat=${stat##*) }
    printf '%s' "${stat:0:1}"
}
has_state() { [[ $(state_of "$1") == "$2" ]]; }
runs_as_another() { process_alive "$1" && [[ $(process_pid "$1") != "$2" ]]; }
says() { [[ $(supervision_words "$1") == *"$2"* ]]; }

begin_instance gateway-0
begin_instance payment-0
begin_instance sandbox
supervise >"$RUN_DIR/log/supervisor.log" 2>&1 &
supervisor=$!
trap 'kill "$supervisor" 2>/dev/null || true; clean_up' EXIT

pid=$(process_pid gateway-0)
kill -KILL "$pid"
expect 'a service that died is started again' runs_as_another gateway-0 "$pid"
expect 'status says that it was' says gateway-0 'restarted 1 times'

kill_one payment-0 >/dev/null
stop_process sandbox 5
sleep 1
expect 'what was killed on purpose stays down' process_gone payment-0
expect 'what was stopped stays down' process_gone sandbox
[[ $(process_state payment-0) == stopped ]] || { printf 'FAILED  killed is not died\n' >&2; exit 1; }

clear_ended payment-0
begin_instance payment-0
pid=$(process_pid payment-0)
kill -KILL "$pid"
expect 'what was started again is watched again' runs_as_another payment-0 "$pid"

printf '#!/bin/sh\nexit 1\n' >"$BIN_DIR/flowstack-gateway"
kill -KILL "$(process_pid gateway-0)"
expect 'a service that cannot start is given up' gave_up_on gateway-0
expect 'status says so' says gateway-0 'not started again'
expect 'its state is died' test "$(process_state gateway-0)" = died

pid=$(process_pid payment-0)
child=$(process_tree "$pid" | tail -n 1)
[[ $child != "$pid" ]] || { printf 'FAILED  the stand-in has no child\n' >&2; exit 1; }
pause_one pause payment-0 >/dev/null
expect 'a paused process stands still' has_state "$pid" T
expect 'so do its children' has_state "$child" T
pause_one resume payment-0 >/dev/null
expect 'it goes on' has_state "$pid" S
expect 'so do its children' has_state "$child" S
pause_one pause payment-0 >/dev/null
kill_one payment-0 >/dev/null
expect 'children of a paused process that is killed go on' has_state "$child" S
kill "$child"
