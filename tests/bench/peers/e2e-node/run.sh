#!/usr/bin/env bash
# The peer's processes: PostgreSQL and Redis of its own, api and worker. `./flowstack bench e2e` calls it,
# with the environment that tools/dev/bench.sh exports.
#
#   run.sh start [cluster]   all of it; the database, if there is none, with one shop: PHONE_NUMBER_ID and
#                            ACCESS_TOKEN. `cluster`: two processes that are each door and worker.
#   run.sh pids              name=pid of what runs
#   run.sh stop              ends it and keeps the data
#   run.sh wipe              ends it and removes the data
#
# E2E_NODE_DIR is its run directory, BENCH_PEERS_DIR/e2e-node is where npm installed it.
set -Eeuo pipefail
umask 022
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../.." && pwd -P)
: "${E2E_NODE_DIR:?}" "${E2E_NODE_POSTGRES_PORT:?}" "${E2E_NODE_REDIS_PORT:?}" "${E2E_NODE_HTTP_PORT:?}"
RUN_DIR=$E2E_NODE_DIR
# shellcheck disable=SC2034  # used by postgres.sh
POSTGRES_PORT=$E2E_NODE_POSTGRES_PORT POSTGRES_PASSWORD=${E2E_NODE_DATABASE_PASSWORD:?}
HERE=$ROOT/tests/bench/peers/e2e-node
INSTALLED=${BENCH_PEERS_DIR:?}/e2e-node
STOP_SECONDS=20
START_SECONDS=60

# shellcheck source=tools/dev/common.sh
source "$ROOT/tools/dev/common.sh"
# shellcheck source=tools/dev/process.sh
source "$ROOT/tools/dev/process.sh"
# shellcheck source=tools/dev/postgres.sh
source "$ROOT/tools/dev/postgres.sh"

# The settings of config.mjs, as a command that runs another where the packages are. Among them is a Node.js if
# the machine's own is too old.
IN_NODE=(
    env -C "$INSTALLED" "PATH=$INSTALLED/node_modules/.bin:$PATH" NODE_ENV=production "DATABASE_URL=${E2E_NODE_DATABASE_URL:?}"
    "REDIS_PORT=$E2E_NODE_REDIS_PORT" "PORT=$E2E_NODE_HTTP_PORT" "APP_SECRET=${APP_SECRET:-}"
    "MASTER_KEY=${E2E_NODE_MASTER_KEY:?}" "GRAPH_BASE_URL=${GRAPH_BASE_URL:-}"
)

redis_answers() {
    [[ $(timeout 2 redis-cli -p "$E2E_NODE_REDIS_PORT" ping 2>/dev/null) == PONG ]]
}

api_answers() {
    [[ $(http_status "$E2E_NODE_HTTP_PORT" /health) == 200 ]]
}

start() {
    mkdir -p "$RUN_DIR/log" "$RUN_DIR/pids" "$RUN_DIR/redis"
    start_postgres
    # What is appended is flushed once a second, which is what a queue usually gets.
    start_process redis redis-server --bind 127.0.0.1 --port "$E2E_NODE_REDIS_PORT" --dir "$RUN_DIR/redis" \
        --save '' --appendonly yes --appendfsync everysec --maxmemory-policy noeviction --daemonize no
    wait_until "$START_SECONDS" redis_answers || fail redis "does not answer" "$RUN_DIR/log/redis.log"
    if [[ $(run_sql postgres "select 1 from pg_database where datname = 'shop'") != 1 ]]; then
        run_sql postgres 'create database shop'
        PGPASSWORD=$POSTGRES_PASSWORD "$POSTGRES_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 \
            -p "$POSTGRES_PORT" -U postgres -d shop -f "$HERE/schema.sql"
        "${IN_NODE[@]}" node seed.mjs "${PHONE_NUMBER_ID:?}" "${ACCESS_TOKEN:?}" 'Duka la Asha'
    fi
    if [[ ${1:-} == cluster ]]; then
        start_process cluster "${IN_NODE[@]}" node cluster.mjs
    else
        start_process api "${IN_NODE[@]}" node server.mjs
        start_process worker "${IN_NODE[@]}" node worker.mjs
    fi
    wait_until "$START_SECONDS" api_answers || fail api "does not answer" "$RUN_DIR/log/api.log"
}

stop() {
    local name
    for name in cluster worker api redis; do
        stop_process "$name" "$STOP_SECONDS" || complain "$name" "does not stop"
    done
    stop_postgres
}

case ${1:-} in
    start) start "${2:-}" ;;
    pids)
        for name in $(process_names); do
            ! pid=$(process_pid "$name") || printf '%s=%s\n' "$name" "$pid"
        done
        ;;
    stop) stop ;;
    wipe)
        stop
        wipe_postgres
        rm -rf "$RUN_DIR/redis"
        ;;
    *)
        sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
