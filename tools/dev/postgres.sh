# shellcheck shell=bash
# The private PostgreSQL 15 of a run directory: never the system's cluster, never its port.
#
# PostgreSQL refuses to run as root, so root runs it as the user `postgres` (which the package
# makes). That user must be able to enter the data folder, and a socket's path has at most 107
# bytes; where RUN_DIR/pg does not serve (a clone under /root, a very deep folder) the cluster lives
# in /var/tmp/flowstack-<hash of the run dir> and RUN_DIR/pg is a link to it.

POSTGRES_BIN=/usr/lib/postgresql/15/bin
POSTGRES_START_SECONDS=120
POSTGRES_STOP_SECONDS=20
FLOWSTACK_SERVICES=(gateway conversation payment followup campaign)

# The command prefix that drops root.
postgres_user_prefix() {
    AS_POSTGRES=()
    if ((EUID == 0)); then
        AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups --)
    fi
}

postgres_fallback_home() {
    printf '/var/tmp/flowstack-%s' "$(run_dir_hash)"
}

# Makes RUN_DIR/pg and gives it to whoever runs the server.
postgres_home() {
    local home=$RUN_DIR/pg fallback socket
    postgres_user_prefix
    if [[ -L $home ]]; then
        [[ -d $home ]] || mkdir -m 700 "$(readlink "$home")"
    elif [[ ! -d $home ]]; then
        fallback=$(postgres_fallback_home)
        socket="$home/.s.PGSQL.65535.lock"
        if ((${#socket} < 107)) && "${AS_POSTGRES[@]}" test -x "$RUN_DIR"; then
            mkdir -m 700 "$home"
        else
            say postgres "$home cannot serve its user or is too long for a socket: using $fallback"
            remove_orphan_cluster "$fallback"
            mkdir -m 700 "$fallback" || fail postgres "cannot make $fallback"
            ln -s "$fallback" "$home"
        fi
    fi
    ((EUID != 0)) || chown postgres: "$home/"
}

# Removes a fallback folder whose run directory was deleted by hand, perhaps with the server still running.
remove_orphan_cluster() {
    local home=$1 pid
    [[ -d $home ]] || return 0
    if { read -r pid <"$home/data/postmaster.pid"; } 2>/dev/null &&
        [[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" == "$home/data" ]]; then
        kill -s QUIT "$pid" && wait_until 10 test ! -e "/proc/$pid"
    fi
    rm -rf "$home"
}

postgres_ready() {
    "$POSTGRES_BIN/pg_isready" -q -h "$RUN_DIR/pg" -p "$POSTGRES_PORT" -d postgres
}

# launch_postgres <home> <log> <log size before the start>: true when it is ready or has died for a
# reason that waiting does not cure. After kill -9 of the server its children live on for a moment
# and a new one refuses to start beside them: then it is started again.
launch_postgres() {
    if process_alive postgres; then
        postgres_ready
    elif [[ ! -f $RUN_DIR/pids/postgres.pid ]] ||
        tail -c "+$(($3 + 1))" "$2" | grep -qE 'pre-existing shared memory block|lock file .* already exists'; then
        start_process postgres "${AS_POSTGRES[@]}" "$POSTGRES_BIN/postgres" -D "$1/data" \
            -k "$1" -h 127.0.0.1 -p "$POSTGRES_PORT"
        return 1
    fi
}

# postgres_url <database>: as the owner, for migrations and tests.
postgres_url() {
    printf 'postgresql://postgres:%s@127.0.0.1:%s/%s' "$POSTGRES_PASSWORD" "$POSTGRES_PORT" "$1"
}

# service_url <service>: as the role that migrations hold to append-only.
service_url() {
    printf 'postgresql://flowstack_service:%s@127.0.0.1:%s/flowstack_%s' \
        "$POSTGRES_PASSWORD" "$POSTGRES_PORT" "$1"
}

# Creates the services' role before the migrations, so that it has a password: the cluster listens on the loopback,
# which other users of this machine can reach.
create_service_role() {
    run_sql postgres "do \$\$ begin
        if not exists (select from pg_roles where rolname = 'flowstack_service') then
            create role flowstack_service login password '$POSTGRES_PASSWORD';
        end if;
    end \$\$" || fail postgres "cannot create the role flowstack_service" "$RUN_DIR/log/postgres.log"
}

run_sql() {
    PGPASSWORD=$POSTGRES_PASSWORD "$POSTGRES_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d "$1" -c "$2"
}

init_cluster() {
    local home log=$RUN_DIR/log/postgres.log
    home=$(readlink -f "$RUN_DIR/pg")
    say postgres "making a cluster in $home"
    printf '%s\n' "$POSTGRES_PASSWORD" >"$home/password"
    ((EUID != 0)) || chown postgres: "$home/password"
    rm -rf "$home/data"
    (cd / && "${AS_POSTGRES[@]}" "$POSTGRES_BIN/initdb" -D "$home/data.new" -U postgres \
        --auth=scram-sha-256 --pwfile="$home/password" --encoding=UTF8 --locale=C.UTF-8) \
        </dev/null >>"$log" 2>&1 || fail postgres "initdb did not succeed" "$log"
    rm -f "$home/password"
    printf "\ninclude = 'flowstack.conf'\n" >>"$home/data.new/postgresql.conf"
    # Only a finished cluster gets the name: an interrupted initdb is made again.
    mv "$home/data.new" "$home/data"
}

start_postgres() {
    local home log=$RUN_DIR/log/postgres.log log_size
    if process_alive postgres; then
        say postgres "runs already on 127.0.0.1:$POSTGRES_PORT"
        return
    fi
    mkdir -p "$RUN_DIR/log"
    [[ -x $POSTGRES_BIN/postgres ]] || fail postgres "$POSTGRES_BIN/postgres is missing (package postgresql-15)"
    postgres_home
    home=$(readlink -f "$RUN_DIR/pg")
    rm -rf "$home/data.new"
    touch "$log"
    [[ -f $home/data/PG_VERSION ]] || init_cluster
    cp "$ROOT/deploy/postgres/flowstack.conf" "$home/data/flowstack.conf"
    ((EUID != 0)) || chown postgres: "$home/data/flowstack.conf"

    rm -f "$RUN_DIR/pids/postgres.pid"
    log_size=$(stat -c %s "$log")
    wait_until "$POSTGRES_START_SECONDS" launch_postgres "$home" "$log" "$log_size" ||
        fail postgres "not ready after $POSTGRES_START_SECONDS s" "$log"
    process_alive postgres || fail postgres "ended while starting" "$log"
    say postgres "PostgreSQL 15 ready on 127.0.0.1:$POSTGRES_PORT"
}

# Lets the running server speak TLS as well, with a certificate for 127.0.0.1 and localhost.
serve_tls() {
    local home file
    home=$(readlink -f "$RUN_DIR/pg")
    make_certificates "$RUN_DIR/certificates"
    for file in server.pem server.key; do
        install -m 600 "$RUN_DIR/certificates/$file" "$home/data/$file"
        ((EUID != 0)) || chown postgres: "$home/data/$file"
    done
    # shellcheck disable=SC2015
    run_sql postgres "alter system set ssl_cert_file = 'server.pem'" &&
        run_sql postgres "alter system set ssl_key_file = 'server.key'" &&
        run_sql postgres "alter system set ssl = on" &&
        run_sql postgres 'select pg_reload_conf()' >/dev/null ||
        fail postgres "cannot serve TLS" "$RUN_DIR/log/postgres.log"
}

# The five databases of the services.
create_databases() {
    local service present
    create_service_role
    present=$(run_sql postgres 'select datname from pg_database') ||
        fail postgres "cannot list the databases" "$RUN_DIR/log/postgres.log"
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        grep -qx "flowstack_$service" <<<"$present" ||
            run_sql postgres "create database flowstack_$service" ||
            fail postgres "cannot create the database flowstack_$service" "$RUN_DIR/log/postgres.log"
    done
}

# INT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
stop_postgres() {
    stop_process postgres "$POSTGRES_STOP_SECONDS" INT || fail postgres "does not stop"
}

wipe_postgres() {
    local target
    stop_postgres
    if [[ -L $RUN_DIR/pg ]]; then
        target=$(readlink "$RUN_DIR/pg")
        [[ $target == "$(postgres_fallback_home)" ]] || fail postgres "$RUN_DIR/pg points to $target"
        rm -rf "$target"
    fi
    rm -rf "$RUN_DIR/pg"
}
