#!/usr/bin/env bash
# deploy/backup/backup.sh on a PostgreSQL of its own: rows are committed while a receiver takes the WAL, the server is killed and
# its files are removed, and what was confirmed must be there after the restore; an earlier point in time must hold what was
# confirmed by then and nothing later.
#   backup.sh <repository>
# shellcheck disable=SC2317  # what expect() calls
set -euo pipefail
ROOT=$1
PG_BIN=/usr/lib/postgresql/15/bin
export PG_BIN PGUSER=postgres PGDATABASE=postgres

WORK=$(mktemp -d /tmp/flowstack-backup-test.XXXXXX)
AS=()
if ((EUID == 0)); then # PostgreSQL does not run as root
    chown postgres: "$WORK"
    AS=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi
export PGHOST=$WORK BACKUP_DIR=$WORK/backup
pids=()
finish() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    [[ ! -s $WORK/data/postmaster.pid ]] || kill -QUIT "$(head -n 1 "$WORK/data/postmaster.pid")" 2>/dev/null || true
    wait || true
    rm -rf "$WORK"
}
trap finish EXIT
# shellcheck source=tests/support/expect.sh
source "$ROOT/tests/support/expect.sh"
until_true() { # until_true <seconds> <command…>
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}
cd "$WORK"
install -m 755 "$ROOT/deploy/backup/backup.sh" "$WORK/backup.sh"
backup() { "${AS[@]}" "$WORK/backup.sh" "$@"; }
sql() { "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
start() { # start <data folder>: without a port, on a socket below WORK
    "${AS[@]}" "$PG_BIN/postgres" -D "$1" -k "$WORK" -c listen_addresses= >>"$WORK/log" 2>&1 &
    server=$!
    until_true 60 primary || { cat "$WORK/log"; return 1; }
}
primary() { [[ $(sql 'select pg_is_in_recovery()') == f ]]; }
streams() { [[ $(sql "select count(*) from pg_stat_replication where sync_state = 'sync' and state = 'streaming'") == 1 ]]; }
count() { sql 'select count(*) from n'; }

"${AS[@]}" "$PG_BIN/initdb" -D "$WORK/data" -U postgres --auth=trust --no-sync --locale=C.UTF-8 >"$WORK/log" 2>&1
start "$WORK/data"
backup receive >"$WORK/receive.log" 2>&1 &
pids+=($!)
sql "alter system set synchronous_standby_names = 'pg_receivewal'"
sql 'select pg_reload_conf()' >/dev/null
expect "the receiver streams, synchronously" until_true 30 streams
sql 'create table n (i int primary key)'
sql 'insert into n select generate_series(1, 100)'
expect "a base backup, verified" backup base
sql 'insert into n select generate_series(101, 200)'
sleep 0.1
then=$(sql 'select clock_timestamp()')
sleep 0.1

# Rows one by one; what psql has printed was confirmed. The server dies among them.
for ((i = 201; i < 5000; i++)); do printf 'insert into n values (%d) returning i;\n' "$i"; done |
    "$PG_BIN/psql" -X -q -A -t >"$WORK/confirmed" 2>/dev/null &
writer=$!
until_true 30 test -s "$WORK/confirmed"
sleep 1
kill -KILL "$server"
wait "$server" 2>/dev/null || true
wait "$writer" || true
# Sessions end when they notice that their server is gone.
sleep 2
rm -rf "$WORK/data" "$WORK"/.s.PGSQL.*
confirmed=$(sort -n "$WORK/confirmed" | tail -n 1)

not_empty() { ! backup restore --to "$WORK/backup" 2>/dev/null; }
expect "it restores into no folder that has something in it" not_empty
expect "restore to the newest moment" backup restore --to "$WORK/data"
start "$WORK/data"
expect "all $((confirmed - 200)) rows that were confirmed one by one are there ($(count))" test "$(count)" -ge "$confirmed"
expect "and none is missing" test "$(sql 'select max(i) - count(*) from n')" = 0
expect "the receiver follows the restored cluster" until_true 60 streams
sql 'insert into n values (100000)'
expect "a base backup of the new timeline" backup base

# Beside it, the earlier moment.
expect "restore at a point in time" backup restore --to "$WORK/then" --time "$then"
printf "synchronous_standby_names = ''\n" >>"$WORK/then/postgresql.auto.conf"
kill -INT "$server"
wait "$server" || true
start "$WORK/then"
expect "has the 200 rows of then" test "$(count)" = 200
too_early() { ! backup restore --to "$WORK/early" --time '2001-01-01' 2>/dev/null; }
expect "a time before the first base backup is refused" too_early
kill -INT "$server"
wait "$server" || true
expect "prune" backup prune --keep 1
one_left() { [[ $(find "$WORK/backup/base" -mindepth 1 -maxdepth 1 | wc -l) == 1 ]]; }
expect "leaves one" one_left
mkdir "$WORK/again"
((EUID != 0)) || chown postgres: "$WORK/again"
expect "which is whole" backup restore --to "$WORK/again"
printf "synchronous_standby_names = ''\n" >>"$WORK/again/postgresql.auto.conf"
chmod 700 "$WORK/again"
start "$WORK/again"
expect "and has the newest row" test "$(sql 'select max(i) from n')" = 100000
kill -INT "$server"
wait "$server" || true
exit "$failed"
