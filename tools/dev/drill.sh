# shellcheck shell=bash
# The drill of docs/backup.md: a stack of its own in RUN_DIR/drill loses PostgreSQL and its files while customers shop, comes back
# from a base backup and the WAL that was received, and goes on with the same customers. The chaos judge reads the books.
# Beside it, the cluster of an earlier point in time is made and looked at. With --earlier the stack itself goes back to that
# moment, in the steps of docs/backup.md, takes what it lost from Kafka, and goes on.

DRILL_SHOP_SECONDS=4  # of shopping in each part, and then until more orders are paid
DRILL_PAID_SECONDS=60 # so long for that at most

# drill [--no-build] [--seed N] [--earlier] [--asynchronous] [--dev-broker] [--keep]
run_drill() {
    local build=yes seed='' earlier=no synchronous=yes broker='' status=0 moment
    DRILL_KEEP=no
    while (($# > 0)); do
        case $1 in
            --no-build) build=no ;;
            --seed)
                [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "drill --seed wants a number"
                seed=$2
                shift
                ;;
            --earlier) earlier=yes ;;
            --asynchronous) synchronous=no ;;
            --dev-broker) broker=--dev-broker ;;
            --keep) DRILL_KEEP=yes ;;
            *) usage_error "drill does not know '$1'" ;;
        esac
        shift
    done
    seed=${seed:-$(od -An -tu4 -N 3 /dev/urandom | tr -d ' ')}
    [[ $build == no ]] || build_all "${STACK_PROGRAMS[@]}" flowstack-shoppers flowstack-chaos-check
    require_programs flowstack-shoppers flowstack-chaos-check

    RUN_DIR=$RUN_DIR/drill
    mkdir -p "$RUN_DIR"
    trap 'end_drill' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    say drill "seed $seed"
    (stack_down --wipe) >/dev/null 2>&1 || true
    rm -rf "$RUN_DIR/shoppers"
    chaos_settings >"$RUN_DIR/settings.in"
    # shellcheck disable=SC2034 # stack_up reads it
    SUPERVISE=no
    # shellcheck disable=SC2086
    stack_up --no-build --no-seed --env "$RUN_DIR/settings.in" $broker
    begin_receiver "$synchronous"

    begin_shoppers "$seed"
    shop_on
    say backup "base backup, while they shop"
    as_backup base >>"$RUN_DIR/log/backup.log" 2>&1 || fail backup "no base backup" "$RUN_DIR/log/backup.log"
    shop_on
    moment=$(run_sql postgres 'select clock_timestamp()')
    say drill "a point in time: $moment"
    shop_on
    if [[ $earlier == yes ]]; then
        go_back_to "$moment"
    else
        lose_the_cluster
        restore_the_newest
    fi
    shop_on
    "$BIN_DIR/flowstack-shoppers" stop --dir "$RUN_DIR/shoppers"
    wait "$DRILL_SHOPPERS" || status=$?
    DRILL_SHOPPERS=''
    cat "$RUN_DIR/log/shoppers.log"
    ((status == 0)) || fail drill "the books are not right" "$RUN_DIR/log/shoppers.log"
    FLOWSTACK_RUN_DIR=$RUN_DIR "$BIN_DIR/flowctl" audit verify </dev/null >"$RUN_DIR/log/audit.log" 2>&1 ||
        fail drill "flowctl audit verify found something" "$RUN_DIR/log/audit.log"
    say drill "nothing lost, nothing twice, every log is what was written"
    [[ $earlier == yes ]] || look_at_a_point_in_time "$moment"
}

# The backups lie beside the cluster, whose user must be able to write there.
begin_receiver() {
    local home
    home=$(readlink -f "$RUN_DIR/pg")
    DRILL_HOME=$home
    rm -rf "$home/backup"
    mkdir -p "$home/backup"
    install -m 755 "$ROOT/deploy/backup/backup.sh" "$home/backup.sh"
    ((EUID != 0)) || chown -R postgres: "$home/backup" "$home/backup.sh"
    postgres_user_prefix
    start_process walreceiver env -C / "${AS_POSTGRES[@]}" env "${DRILL_LIBPQ[@]}" PGPORT="$POSTGRES_PORT" \
        PGPASSWORD="$POSTGRES_PASSWORD" BACKUP_DIR="$home/backup" "$home/backup.sh" receive
    wait_until 30 receiver_streams || fail backup "no WAL is received" "$RUN_DIR/log/walreceiver.log"
    [[ $1 == yes ]] || return 0
    run_sql postgres "alter system set synchronous_standby_names = 'pg_receivewal'"
    run_sql postgres "select pg_reload_conf()" >/dev/null
    say backup "each commit waits until the receiver has it, too"
}
DRILL_LIBPQ=(PGHOST=127.0.0.1 PGUSER=postgres)
receiver_streams() {
    [[ $(run_sql postgres "select count(*) from pg_stat_replication where application_name = 'pg_receivewal' and state = 'streaming'" 2>/dev/null) == 1 ]]
}

as_backup() {
    postgres_user_prefix
    (cd / && "${AS_POSTGRES[@]}" env "${DRILL_LIBPQ[@]}" PGPORT="$POSTGRES_PORT" PGPASSWORD="$POSTGRES_PASSWORD" \
        BACKUP_DIR="$DRILL_HOME/backup" "$DRILL_HOME/backup.sh" "$@") </dev/null
}

begin_shoppers() {
    instance_environment gateway-0
    env "${INSTANCE_ENV[@]}" "$BIN_DIR/flowstack-shoppers" run --dir "$RUN_DIR/shoppers" --seed "$1" --customers 6 \
        </dev/null >"$RUN_DIR/log/shoppers.log" 2>&1 9>&- &
    DRILL_SHOPPERS=$!
}

# Until more orders are paid than before.
shop_on() {
    DRILL_PAID=$(paid_orders)
    sleep "$DRILL_SHOP_SECONDS"
    wait_until "$DRILL_PAID_SECONDS" more_is_paid || fail drill "nobody has paid for $DRILL_PAID_SECONDS s" "$RUN_DIR/log/shoppers.log"
}
more_is_paid() { (($(paid_orders) > DRILL_PAID)); }

# In the middle of work: nobody is asked to stop.
lose_the_cluster() {
    kill -0 "$DRILL_SHOPPERS" 2>/dev/null || fail drill "the shoppers ended early" "$RUN_DIR/log/shoppers.log"
    (kill_one postgres)
    wait_until 10 rm -rf "$DRILL_HOME/data" 2>/dev/null # its sessions may still write for a moment
    DRILL_LOST=$SECONDS
    say drill "PostgreSQL is killed and its files are gone"
}

restore_the_newest() {
    as_backup restore --to "$DRILL_HOME/data" >>"$RUN_DIR/log/backup.log" 2>&1 ||
        fail restore "no cluster of the newest moment" "$RUN_DIR/log/backup.log"
    (start_one postgres)
    wait_until 60 is_primary || fail restore "PostgreSQL does not end its recovery" "$RUN_DIR/log/postgres.log"
    wait_until 60 receiver_streams || fail restore "the receiver does not follow the new cluster" "$RUN_DIR/log/walreceiver.log"
    say restore "the cluster is back, $((SECONDS - DRILL_LOST)) s after it was lost"
}
is_primary() { [[ $(run_sql postgres 'select pg_is_in_recovery()' 2>/dev/null) == f ]]; }

# The steps of docs/backup.md, "A mistake: an earlier point in time": the services publish what they have and end, the
# cluster is replaced by that of the moment, its lanes are closed, and `flowctl log recover` takes their tails from Kafka.
go_back_to() {
    local paid paid_then instance
    # In the order in which they stand: each publishes what it has written before it ends.
    for instance in $(instances | grep -v sandbox); do (stop_one "$instance") || fail drill "$instance does not end"; done
    paid=$(paid_orders)
    run_sql postgres 'alter system reset synchronous_standby_names'
    (stop_one postgres)
    stop_process walreceiver "$POSTGRES_STOP_SECONDS"
    mv "$DRILL_HOME/data" "$DRILL_HOME/data.later"
    as_backup restore --to "$DRILL_HOME/data" --time "$1" >>"$RUN_DIR/log/backup.log" 2>&1 ||
        fail restore "no cluster of $1" "$RUN_DIR/log/backup.log"
    # Its history parts here from what the receiver has; in the cluster of then commits still wait for it.
    printf "synchronous_standby_names = ''\n" >>"$DRILL_HOME/data/postgresql.auto.conf"
    (start_one postgres)
    wait_until 60 is_primary || fail restore "PostgreSQL does not end its recovery" "$RUN_DIR/log/postgres.log"
    paid_then=$(paid_orders)
    ((paid_then < paid)) || fail restore "at $1 $paid_then orders were paid and $paid later: nothing was lost"
    for instance in $(instances | grep -v sandbox); do (start_one "$instance" --no-wait); done
    wait_until 60 tail_is_missed || fail restore "payment does not see that its log has lost its end" "$RUN_DIR/log/payment-0.log"
    say restore "the cluster is that of $1, with $paid_then of $paid paid orders; what is missing is asked of Kafka"
    wait_until 60 recover_tails "$paid" || fail restore "flowctl log recover does not bring back $paid paid orders" "$RUN_DIR/log/recover.log"
    cat "$RUN_DIR/log/recover.log"
}
tail_is_missed() { (($(run_sql flowstack_payment 'select count(*) from lanes where lost_to is not null') > 0)); }
# May be repeated: a lane that was not yet compared with Kafka is not among those of the first call.
recover_tails() {
    FLOWSTACK_RUN_DIR=$RUN_DIR "$BIN_DIR/flowctl" log recover --reason 'drill: an earlier point in time' </dev/null >>"$RUN_DIR/log/recover.log" 2>&1 &&
        (($(paid_orders) >= $1))
}

# The cluster of that moment, on a port of its own: it has what was paid by then and not what came later, and no
# service has read further in another's log than that log goes.
look_at_a_point_in_time() {
    local then=$DRILL_HOME/then paid_then paid_now wrong
    paid_now=$(paid_orders)
    as_backup restore --to "$then" --time "$1" >>"$RUN_DIR/log/backup.log" 2>&1 ||
        fail restore "no cluster of $1" "$RUN_DIR/log/backup.log"
    # Nobody receives its WAL.
    printf "synchronous_standby_names = ''\n" >>"$then/postgresql.auto.conf"
    local POSTGRES_PORT=$THEN_POSTGRES_PORT
    postgres_user_prefix
    start_process postgres-then "${AS_POSTGRES[@]}" "$POSTGRES_BIN/postgres" -D "$then" -k "$then" -h 127.0.0.1 -p "$POSTGRES_PORT"
    wait_until 60 is_primary || fail restore "the cluster of $1 does not come up" "$RUN_DIR/log/postgres-then.log"
    paid_then=$(paid_orders)
    wrong=$(read_too_far)
    stop_process postgres-then "$POSTGRES_STOP_SECONDS" INT
    [[ -z $wrong ]] || fail restore "at $1 the logs do not fit together: $wrong"
    ((paid_then > 0 && paid_then < paid_now)) ||
        fail restore "at $1 $paid_then orders were paid, $paid_now are at the end: the point in time proves nothing"
    say restore "at $1: $paid_then of the $paid_now paid orders, and the five logs fit together"
}

paid_orders() { run_sql flowstack_payment "select count(*) from events where type = 'flowstack.payment.v1.OrderPaid'"; }

# Cursors and gapless lanes of all five databases.
read_too_far() {
    local service source
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        run_sql "flowstack_$service" "select '$service lane ' || l.lane || ' has a gap' from lanes l
            where l.position <> (select count(*) from events e where e.lane = l.lane)"
        for source in "${FLOWSTACK_SERVICES[@]}"; do
            comm -23 <(run_sql "flowstack_$service" "select lane, position from cursors where source = '$source' and position > 0" | sort) \
                <(run_sql "flowstack_$source" 'select lane, generate_series(1, position) from lanes' | sort) |
                sed "s/^/$service in $source at /"
        done
    done
}

end_drill() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [[ -n ${DRILL_SHOPPERS:-} ]]; then
        kill -TERM "$DRILL_SHOPPERS" 2>/dev/null || true
        wait "$DRILL_SHOPPERS" || true
    fi
    unlock_run_dir # what was interrupted may still hold it
    # Commits of services that end must not wait for a receiver that has ended.
    run_sql postgres "alter system reset synchronous_standby_names" 2>/dev/null || true
    run_sql postgres "select pg_reload_conf()" >/dev/null 2>&1 || true
    if [[ $DRILL_KEEP == yes ]]; then
        say drill "kept in $RUN_DIR: ./flowstack down --wipe --run-dir $RUN_DIR"
    else
        (stack_down) || true
    fi
    exit "$status"
}
