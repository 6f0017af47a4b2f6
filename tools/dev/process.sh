# shellcheck shell=bash
# Processes of a run directory: pid file in RUN_DIR/pids, log in RUN_DIR/log, always ended by pid.
#
# A pid file holds `<pid> <start time in ticks> <boot id> <run dir>`. A process is ours only if all
# of it still matches, so that neither a recycled pid nor a copied clone ever makes us signal a
# stranger.

BOOT_ID=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)

# Start time of a pid in ticks since boot, or nothing. Field 22 of stat; the command may hold spaces.
process_start_time() {
    local stat
    # The group hides bash's own error message when the process is gone.
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    local fields
    read -ra fields <<<"${stat##*) }"
    # A zombie has ended; its parent has not collected it yet.
    [[ ${fields[0]:-Z} == Z ]] || printf '%s' "${fields[19]}"
}

# process_pid <name>: prints the pid if that process of ours lives, else fails.
process_pid() {
    local pid start boot dir
    { read -r pid start boot dir <"$RUN_DIR/pids/$1.pid"; } 2>/dev/null || return 1
    [[ $boot == "$BOOT_ID" && $dir == "$RUN_DIR" ]] || return 1
    [[ $(process_start_time "$pid") == "$start" ]] || return 1
    printf '%s' "$pid"
}

process_alive() {
    process_pid "$1" >/dev/null
}

process_gone() {
    ! process_alive "$1"
}

# start_process <name> <command…>: a session of its own, stdin closed, output appended to its log.
# Returns at once; waiting for readiness is the caller's business.
start_process() {
    local name=$1 pid start
    shift
    mkdir -p "$RUN_DIR/pids" "$RUN_DIR/log"
    rm -f "$RUN_DIR/pids/$name.ended"
    setsid "$@" </dev/null >>"$RUN_DIR/log/$name.log" 2>&1 9>&- &
    pid=$!
    disown "$pid" 2>/dev/null || true
    start=$(process_start_time "$pid") # nothing if it has ended already
    printf '%s %s %s %s\n' "$pid" "${start:--}" "$BOOT_ID" "$RUN_DIR" >"$RUN_DIR/pids/$name.pid"
}

# ask_to_stop <name> [signal]: sends it once. A second signal makes a service stop at once.
ask_to_stop() {
    local pid
    pid=$(process_pid "$1") || return 0
    : >"$RUN_DIR/pids/$1.ended" # for the supervisor: its end is wanted
    kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
    # A paused process does not see the signal until it continues. It may have ended by now.
    signal_all CONT "$pid"
}

# await_stop <name> <grace seconds>: waits, then kills. True if nothing is left.
await_stop() {
    local name=$1 grace=$2 pid
    if ! wait_until "$grace" process_gone "$name"; then
        say "$name" "still there after ${grace} s: SIGKILL"
        pid=$(process_pid "$name") && kill -s KILL "$pid" 2>/dev/null
        wait_until 10 process_gone "$name" || return 1
    fi
    rm -f "$RUN_DIR/pids/$name.pid" "$RUN_DIR/pids/$name.ended"
}

# stop_process <name> [grace seconds] [signal]
stop_process() {
    ask_to_stop "$1" "${3:-TERM}"
    await_stop "$1" "${2:-10}"
}

# signal_process <name> <signal without SIG>: fails with a word if it does not run.
signal_process() {
    local pid
    pid=$(process_pid "$1") || fail "signal $2" "$1 does not run in $RUN_DIR"
    kill -s "$2" "$pid"
}

# process_tree <pid>: the pid and all that descend from it, parents first. PostgreSQL puts each of its
# sessions into a process group of its own, so a group does not name them all.
process_tree() {
    local stat pid parent rest wanted=" $1 " found=yes
    printf '%s\n' "$1"
    while [[ $found == yes ]]; do
        found=no
        for stat in /proc/[0-9]*/stat; do
            { rest=$(<"$stat"); } 2>/dev/null || continue
            pid=${rest%% *}
            read -r _ parent _ <<<"${rest##*) }"
            if [[ $wanted == *" $parent "* && $wanted != *" $pid "* ]]; then
                wanted+="$pid "
                found=yes
                printf '%s\n' "$pid"
            fi
        done
    done
}

# signal_all <signal without SIG> <pid>: the process and its descendants, those that are still there.
# The parent first: once it stands still it starts no more children.
signal_all() {
    local member
    for member in $(process_tree "$2"); do
        kill -s "$1" "$member" 2>/dev/null || true
    done
}

# signal_tree <name> <signal without SIG>: the process and its descendants. Fails with a word if it
# does not run.
signal_tree() {
    local pid
    pid=$(process_pid "$1") || fail "signal $2" "$1 does not run in $RUN_DIR"
    kill -s "$2" "$pid"
    signal_all "$2" "$pid"
}

# Every name that has a pid file, in the order of starting.
process_names() {
    [[ -d $RUN_DIR/pids ]] || return 0
    find "$RUN_DIR/pids" -name '*.pid' -printf '%T@ %f\n' | sort -n | sed 's/^[^ ]* //; s/\.pid$//'
}
