# shellcheck shell=bash

# Chaos: a stack of its own in RUN_DIR/chaos, whose PostgreSQL has a small disk that can be filled
# and frozen, and flowstack-chaos on it.

CHAOS_DISK_SIZE=2G
CHAOS_FINDINGS=1 # how flowstack-chaos ends when a check has found something

# chaos [--minutes N] [--seed S] [--replicas R] [--customers N] [--rounds N] [--only KINDS]
#       [--chats N --chat-messages M] [--settle-seconds N] [--keep] [-o json] [--no-build]
run_chaos() {
    local minutes=1 seed='' replicas=1 build=yes keep=no args=() status=0
    while (($# > 0)); do
        case $1 in
            --minutes | --seed | --replicas | --customers | --rounds | --only | --settle-seconds | \
                --pause-ms | --patience-ms | --chats | --chat-messages)
                [[ -n ${2:-} ]] || usage_error "chaos $1 wants a value"
                case $1 in
                    --minutes) minutes=$2 ;;
                    --seed) seed=$2 ;;
                    --replicas) replicas=$2 ;;
                    *) args+=("$1" "$2") ;;
                esac
                shift
                ;;
            -o)
                [[ ${2:-} == json ]] || usage_error "chaos -o knows json"
                args+=(--o json)
                shift
                ;;
            --keep) keep=yes ;;
            --no-build) build=no ;;
            *) usage_error "chaos does not know '$1'" ;;
        esac
        shift
    done
    [[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || usage_error "chaos --minutes wants a number"
    [[ $replicas =~ ^[1-9]$ ]] || usage_error "chaos --replicas wants a number from 1 to 9"
    seed=${seed:-$(od -An -tu4 -N 4 /dev/urandom | tr -d ' ')}
    [[ $seed =~ ^[0-9]+$ ]] || usage_error "chaos --seed wants a number"
    [[ $build == no ]] || build_all >&2
    require_programs flowstack-chaos flowstack-chaos-check

    RUN_DIR=$RUN_DIR/chaos
    mkdir -p "$RUN_DIR"
    # With -o json only the report goes to the screen.
    exec 3>&1 1>&2
    trap 'end_chaos' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    CHAOS_KEEP=$keep
    wipe_chaos
    make_chaos_disk
    chaos_settings >"$RUN_DIR/settings.in"
    # shellcheck disable=SC2034 # stack_up reads it
    SUPERVISE=no
    stack_up --no-build --no-seed --replicas "$replicas" --env "$RUN_DIR/settings.in"
    "$BIN_DIR/flowstack-chaos" run --script "$ROOT/flowstack" --run-dir "$RUN_DIR" \
        --minutes "$minutes" --seed "$seed" --replicas "$replicas" "${args[@]}" </dev/null >&3 &
    # In the background, because bash runs a trap only after a foreground command has ended.
    CHAOS_PID=$!
    wait "$CHAOS_PID" || status=$?
    CHAOS_PID=''
    return "$status"
}

# Waits that take minutes in production take seconds here, so that they happen within a run.
chaos_settings() {
    cat <<'TEXT'
GENTLE_AFTER_MS=4000
PUSH_POLL_FIRST_MS=4000
PUSH_POLL_PLAN_MS=1000,2000,2000,4000
INTENT_EXPIRY_MS=40000
ATTEMPT_RESOLVE_MS=10000
PUSH_TIMEOUT_MS=6000
QUERY_TIMEOUT_MS=3000
UNKNOWN_EVIDENCE_WAIT_MS=8000
SEND_TIMEOUT_MS=4000
SEND_BACKOFF_BASE_MS=500
SEND_BACKOFF_MAX_MS=4000
SEND_ATTEMPTS_MAX=8
BREAKER_OPEN_MS=1000
HEAD_COMPARE_MS=1000
CUSTOMER_MESSAGES_PER_MINUTE_MAX=10000
TEXT
}

# A small file system of its own under RUN_DIR/pg. Where mounting is not possible, limits on the server's processes
# stand in for a full disk, and pauses of them for a slow one; the run says which it is.
make_chaos_disk() {
    local home image=$RUN_DIR/disk.image
    home=$(postgres_fallback_home)
    if ((EUID == 0)) && mkdir -p "$home" && truncate -s "$CHAOS_DISK_SIZE" "$image" &&
        mkfs.ext4 -q -F -m 0 "$image" 2>>"$RUN_DIR/disk.log" &&
        mount -o loop "$image" "$home" 2>>"$RUN_DIR/disk.log"; then
        chmod 700 "$home"
        ln -sfn "$home" "$RUN_DIR/pg"
        say disk "$CHAOS_DISK_SIZE for PostgreSQL on $home"
    else
        rm -f "$image"
        [[ ! -d $home ]] || rmdir "$home"
        say disk "no file system can be mounted here: limits on PostgreSQL's processes stand in"
    fi
}

release_chaos_disk() {
    local home
    home=$(postgres_fallback_home)
    if mountpoint -q "$home" 2>/dev/null; then
        fsfreeze --unfreeze "$home" 2>/dev/null || true
        wait_until 20 umount "$home" || complain disk "$home stays mounted"
    fi
    rm -f "$RUN_DIR/disk.image"
}

# A run begins with nothing.
wipe_chaos() {
    if [[ -f $RUN_DIR/ports ]]; then
        (stack_down) || true
        release_chaos_disk
        (stack_down --wipe) || true
    fi
    release_chaos_disk
}

end_chaos() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [[ -n ${CHAOS_PID:-} ]]; then
        # Ends its killer too, which would go on alone.
        pkill -TERM -P "$CHAOS_PID" || true
        kill -TERM "$CHAOS_PID" 2>/dev/null || true
        wait "$CHAOS_PID" || true
    fi
    if [[ ${CHAOS_KEEP:-no} == yes ]]; then
        say chaos "kept in $RUN_DIR: ./flowstack down --run-dir $RUN_DIR"
    else
        (stack_down) || true
        # After a finding the logs must be there to be read.
        if ((status == CHAOS_FINDINGS)); then
            say chaos "the databases stay until the next run: ./flowstack start postgres --run-dir $RUN_DIR"
        else
            release_chaos_disk
        fi
    fi
    exit "$status"
}
