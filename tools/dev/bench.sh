# shellcheck shell=bash
# The bench: PostgreSQL and Kafka of its own in .run/bench, the peers from npm, Maven and Debian, then
# flowstack-bench. See docs/performance.md.

BENCH_PROGRAMS=(flowstack-bench flowstack-bench-http flowstack-bench-relay)
BENCH_NAMES='footprint append e2e relay outbound ingest'
PEERS_DIR=$ROOT/.cache/bench-peers
E2E_NODE_SOURCE=$ROOT/tests/bench/peers/e2e-node
# What undici and ioredis ask for, and what npm brings where the machine has less.
E2E_NODE_VERSION=20.18.1
E2E_NODE_RUNTIME=20.20.2
# Debezium as of this version of its pom; the first download is 100 MB.
PEERS_FETCH_SECONDS=900

# Measures the release build; FLOWSTACK_BUILD names another one.
#
# bench [name…] [-o json] [--rounds N] [--seconds S] [--quick] [--check] [--events N] [--no-peers] [--no-build]
run_bench() {
    local build=yes peers=yes args=() names='' status=0 settings
    while (($# > 0)); do
        case $1 in
            --no-build) build=no ;;
            --no-peers) peers=no; args+=("$1") ;;
            *)
                args+=("$1")
                [[ " $BENCH_NAMES " != *" $1 "* ]] || names+=" $1"
                ;;
        esac
        shift
    done
    # Figures go to stdout; everything else goes to stderr.
    exec 3>&1 1>&2
    use_build "${FLOWSTACK_BUILD:-release}"
    [[ $build == no ]] || build_all "${STACK_PROGRAMS[@]}" "${BENCH_PROGRAMS[@]}"
    require_programs "${BENCH_PROGRAMS[@]}"
    names=" ${names:-$BENCH_NAMES} "

    RUN_DIR=$RUN_DIR/bench
    lock_run_dir
    trap stop_bench EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    export BENCH_PEERS_DIR=$PEERS_DIR BENCH_NPM_MISSING='' BENCH_MAVEN_MISSING='' BENCH_E2E_NODE_MISSING=''
    if [[ $peers == yes ]]; then
        # Only what is asked for is installed.
        if [[ $names =~ \ (append|ingest|relay)\  ]]; then
            install_npm_peers || BENCH_NPM_MISSING='npm could not install it; see log/bench-npm.log'
        fi
        if [[ $names == *' relay '* ]]; then
            install_maven_peers || BENCH_MAVEN_MISSING='Maven could not fetch it; see log/bench-maven.log'
        fi
        if [[ $names == *' e2e '* ]]; then
            install_e2e_node
        fi
    fi
    settings=$RUN_DIR/settings
    printf 'LOG_LEVEL=warn\n' >"$settings"
    [[ -z $(running_names) ]] || stop_instances
    wipe_kafka
    wipe_postgres
    rm -f "$RUN_DIR/sandbox.jsonl"
    load_secrets
    # shellcheck disable=SC2034  # written to RUN_DIR/env
    META_APP_ID=100000000000001
    ensure_ports 1
    export_e2e_node
    e2e_node wipe
    choose_broker
    begin_kafka
    start_postgres
    create_databases
    await_kafka
    write_env
    run_flowctl migrate migrate
    unlock_run_dir

    instance_environment gateway-0
    # shellcheck disable=SC2154  # BIN_DIR and RUN_DIR reach the program by RUN_DIR/env
    env -u HTTP_PORT -u GRPC_PORT -u ADMIN_PORT -u DATABASE_URL "${INSTANCE_ENV[@]}" \
        "$BIN_DIR/flowstack-bench" "${args[@]}" </dev/null >&3 || status=$?
    return "$status"
}

stop_bench() {
    trap '' INT TERM HUP
    trap - EXIT
    [[ -z $(running_names) ]] || stop_instances || true
    [[ -z ${E2E_NODE_DIR:-} ]] || e2e_node stop || true
    stop_process kafka "$KAFKA_STOP_SECONDS" || true
    stop_process postgres "$POSTGRES_STOP_SECONDS" INT || true
}

# Installs Node.js's packages that peers/package.json names, beside a copy of our scripts.
install_npm_peers() {
    local from=$ROOT/tests/bench/peers home=$PEERS_DIR/npm log=$RUN_DIR/log/bench-npm.log stamp
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        (install_packages "$ROOT/tools/dev/packages-bench.txt") || return 1
    fi
    stamp=$(sha256sum <"$from/package.json")
    mkdir -p "$home"
    cp "$from"/*.mjs "$from/package.json" "$home/"
    [[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || return 0
    say bench "npm: Express, message-db, Emmett, kafkajs"
    (cd "$home" && timeout "$PEERS_FETCH_SECONDS" npm install --no-audit --no-fund --no-package-lock) \
        </dev/null >"$log" 2>&1 9>&- || {
        complain bench "npm could not install the peers; the bench says so and goes on" "$log"
        return 1
    }
    printf '%s\n' "$stamp" >"$home/stamp"
}

# The peer of e2e: Redis from Debian, the packages that its package.json names from npm, beside a copy of its
# scripts. Sets BENCH_E2E_NODE_MISSING to what this machine lacks.
install_e2e_node() {
    local home=$PEERS_DIR/e2e-node log=$RUN_DIR/log/bench-npm-e2e.log stamp version runtime=()
    BENCH_E2E_NODE_MISSING=''
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        (install_packages "$ROOT/tools/dev/packages-bench.txt") || {
            BENCH_E2E_NODE_MISSING='Node.js could not be installed; see log/install.log'
            return 0
        }
    fi
    # Debian 12 has an older Node.js; then npm brings one for the peer alone.
    version=$(node -p process.versions.node 2>/dev/null) || version=0
    if [[ $(printf '%s\n' "$E2E_NODE_VERSION" "$version" | sort -V | head -1) != "$E2E_NODE_VERSION" ]]; then
        runtime=("node-linux-$(node -p process.arch)@$E2E_NODE_RUNTIME")
    fi
    redis_installed || (install_packages "$ROOT/tools/dev/packages-bench-redis.txt") || true
    redis_installed || {
        BENCH_E2E_NODE_MISSING='redis-server could not be installed; see log/install.log'
        return 0
    }
    stamp="$(sha256sum <"$E2E_NODE_SOURCE/package.json") ${runtime[*]}"
    mkdir -p "$home"
    cp "$E2E_NODE_SOURCE"/*.mjs "$E2E_NODE_SOURCE/package.json" "$home/"
    [[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || return 0
    say bench "npm: Express, pg, BullMQ, ioredis, undici ${runtime[*]}"
    (cd "$home" && timeout "$PEERS_FETCH_SECONDS" \
        npm install --no-audit --no-fund --no-package-lock --no-save "${runtime[@]}") \
        </dev/null >"$log" 2>&1 9>&- || {
        complain bench "npm could not install the peer of e2e; the bench says so and goes on" "$log"
        BENCH_E2E_NODE_MISSING='npm could not install it; see log/bench-npm-e2e.log'
        return 0
    }
    printf '%s\n' "$stamp" >"$home/stamp"
}

redis_installed() {
    command -v redis-server >/dev/null && command -v redis-cli >/dev/null
}

# Where the peer of e2e lives: what its run.sh and flowstack-bench read.
export_e2e_node() {
    export E2E_NODE_DIR=$RUN_DIR/e2e-node E2E_NODE_POSTGRES_PORT E2E_NODE_REDIS_PORT E2E_NODE_HTTP_PORT
    export E2E_NODE_DATABASE_PASSWORD=$POSTGRES_PASSWORD E2E_NODE_MASTER_KEY
    export E2E_NODE_DATABASE_URL="postgresql://postgres:$POSTGRES_PASSWORD@127.0.0.1:$E2E_NODE_POSTGRES_PORT/shop"
    E2E_NODE_MASTER_KEY=$(random_hex 32)
}

# e2e_node wipe|stop
e2e_node() {
    "$E2E_NODE_SOURCE/run.sh" "$1" </dev/null >>"$RUN_DIR/log/bench-e2e-node.log" 2>&1 9>&-
}

# Kafka Connect, and Debezium as a plugin without what the worker brings.
install_maven_peers() {
    local from=$ROOT/tests/bench/peers log=$RUN_DIR/log/bench-maven.log stamp
    stamp=$(cat "$from"/*-pom.xml | sha256sum)
    mkdir -p "$PEERS_DIR"
    [[ $(cat "$PEERS_DIR/maven.stamp" 2>/dev/null) != "$stamp" ]] || return 0
    say bench "Maven: Kafka Connect, Debezium"
    rm -rf "$PEERS_DIR/connect" "$PEERS_DIR/plugins"
    {
        fetch_bench_jars "$from/connect-pom.xml" "$PEERS_DIR/connect" &&
            fetch_bench_jars "$from/debezium-pom.xml" "$PEERS_DIR/plugins/debezium-connector-postgres" \
                -DexcludeGroupIds=org.apache.kafka,org.slf4j
    } >"$log" 2>&1 || {
        complain bench "Maven could not fetch Debezium; the bench says so and goes on" "$log"
        return 1
    }
    printf '%s\n' "$stamp" >"$PEERS_DIR/maven.stamp"
}

# fetch_bench_jars <pom> <folder> [more…]
fetch_bench_jars() {
    local pom=$1 folder=$2
    shift 2
    timeout "$PEERS_FETCH_SECONDS" mvn --batch-mode --strict-checksums --quiet -Dstyle.color=never -f "$pom" \
        org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies \
        -DincludeScope=runtime "-DoutputDirectory=$folder" "$@" </dev/null 9>&-
}
