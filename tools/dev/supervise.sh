# shellcheck shell=bash
# The supervisor of a stack that `./flowstack up` or `demo` started: it starts services and the
# sandbox again when they end without having been asked to. What a person stopped or killed with
# this script stays down until it is started again.

SUPERVISE_SECONDS=2      # between two looks
RESTARTS_MAX=5           # restarts of one process within the window, then it stays down
RESTARTS_WINDOW_SECONDS=600
RESTART_PAUSE_MAX=30     # seconds; the pause doubles from 1 s with each restart in the window

# Tests and chaos kill processes themselves and must see what that does: they set this to no.
SUPERVISE=${FLOWSTACK_SUPERVISE:-yes}

begin_supervisor() {
    [[ $SUPERVISE == yes ]] || return 0
    ! process_alive supervisor || return 0
    start_process supervisor env FLOWSTACK_BIN_DIR="$BIN_DIR" LANES="$LANES" \
        "$ROOT/flowstack" supervise --run-dir "$RUN_DIR"
}

# mark_ended <name>: its end is wanted, so the supervisor leaves it alone.
mark_ended() {
    : >"$RUN_DIR/pids/$1.ended"
}
clear_ended() {
    rm -f "$RUN_DIR/pids/$1.ended" "$RUN_DIR/pids/$1.restarts"
}

# A process died when its pid file is still there, it does not run, and nobody wanted its end.
process_died() {
    [[ -f $RUN_DIR/pids/$1.pid && ! -f $RUN_DIR/pids/$1.ended ]] && process_gone "$1"
}

# The times of the restarts within the window, oldest first.
restarts_of() {
    local since
    since=$(($(date +%s) - RESTARTS_WINDOW_SECONDS))
    awk -v since="$since" '$1 >= since' "$RUN_DIR/pids/$1.restarts" 2>/dev/null || true
}

gave_up_on() {
    local times
    process_died "$1" || return 1
    mapfile -t times < <(restarts_of "$1")
    ((${#times[@]} >= RESTARTS_MAX))
}

# The seconds to wait before the next restart: 1, 2, 4, …
restart_pause() {
    local pause=$((1 << $1))
    printf '%d' $((pause < RESTART_PAUSE_MAX ? pause : RESTART_PAUSE_MAX))
}

# supervise: the loop, in a process of its own.
supervise() {
    local instance
    trap 'exit 0' TERM INT
    load_stack supervise
    printf '%s supervisor watches %s\n' "$(date -u +%FT%TZ)" "$RUN_DIR"
    while true; do
        # Waits for a child process, so that a signal ends the loop at once.
        sleep "$SUPERVISE_SECONDS" &
        wait $! || true
        while IFS= read -r instance; do
            ! process_died "$instance" || revive "$instance"
        done < <(instances)
    done
}

# revive <instance>: starts it again when its pause is over. While another command holds the run
# directory (`down`, `start`), it waits for the next look.
revive() {
    local instance=$1 times last=0
    mapfile -t times < <(restarts_of "$instance")
    ((${#times[@]} < RESTARTS_MAX)) || return 0
    ((${#times[@]} == 0)) || last=${times[-1]}
    (($(date +%s) >= last + $(restart_pause "${#times[@]}"))) || return 0
    exec 9>"$RUN_DIR/lock"
    if flock --nonblock 9 && process_died "$instance"; then
        date +%s >>"$RUN_DIR/pids/$instance.restarts"
        printf '%s supervisor starts %s again (restart %d of %d within %d minutes)\n' \
            "$(date -u +%FT%TZ)" "$instance" $((${#times[@]} + 1)) "$RESTARTS_MAX" \
            $((RESTARTS_WINDOW_SECONDS / 60))
        ((${#times[@]} + 1 < RESTARTS_MAX)) ||
            printf '%s supervisor gives up on %s after this one: see %s\n' "$(date -u +%FT%TZ)" \
                "$instance" "$RUN_DIR/log/$instance.log"
        begin_instance "$instance"
    fi
    exec 9>&-
}

# What `status` says about a process besides its state.
supervision_words() {
    local times
    mapfile -t times < <(restarts_of "$1")
    if gave_up_on "$1"; then
        printf ' · died %d times, not started again (./flowstack logs %s)' \
            $((${#times[@]} + 1)) "$1"
    elif ((${#times[@]} > 0)); then
        printf ' · restarted %d times, last at %s' "${#times[@]}" \
            "$(date -d "@${times[-1]}" +%H:%M:%S)"
    fi
}
