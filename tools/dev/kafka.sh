# shellcheck shell=bash
# The bus of a run directory: one real Apache Kafka node (KRaft), or flowstack-devbroker where the
# jars cannot be had or --dev-broker asks for it. RUN_DIR/kafka.kind says which: `kafka` or
# `devbroker`. The settings and their reasons: deploy/kafka/README.md.

KAFKA_VERSION=4.3.0
KAFKA_HOME=$ROOT/.cache/kafka
KAFKA_JAVA=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:MaxMetaspaceSize=160m -XX:-UsePerfData)
KAFKA_START_SECONDS=180
KAFKA_STOP_SECONDS=15
KAFKA_SECURE=no # yes: with listeners for TLS and SASL as well (deploy/kafka/secure.properties.in)

kafka_kind() {
    cat "$RUN_DIR/kafka.kind" 2>/dev/null || printf 'kafka'
}

# Fetches the jars, once for each content of the pom. A failure does not end the script: there is a fallback.
fetch_kafka() {
    local stamp log=$RUN_DIR/log/kafka-fetch.log
    stamp=$(sha256sum <"$ROOT/deploy/kafka/pom.xml")
    if [[ $(cat "$KAFKA_HOME/stamp" 2>/dev/null) == "$stamp" ]]; then
        return 0
    fi
    mkdir -p "$RUN_DIR/log" "$KAFKA_HOME" || return 1
    exec 7>"$KAFKA_HOME/lock" || return 1
    flock 7
    if [[ $(cat "$KAFKA_HOME/stamp" 2>/dev/null) != "$stamp" ]]; then
        say kafka "fetching the jars of Kafka $KAFKA_VERSION"
        rm -rf "$KAFKA_HOME/libs" "$KAFKA_HOME/libs.new"
        if ! fetch_jars >"$log" 2>&1 && ! { sleep 3 && fetch_jars >>"$log" 2>&1; }; then
            complain kafka "mvn could not fetch the jars" "$log"
            exec 7>&-
            return 1
        fi
        mv "$KAFKA_HOME/libs.new" "$KAFKA_HOME/libs"
        printf '%s\n' "$stamp" >"$KAFKA_HOME/stamp"
    fi
    exec 7>&-
}

# Fetches them while something else is done. Whoever needs them asks fetch_kafka, which waits for this
# one, tries again where it did not succeed, and says why.
begin_fetching_kafka() {
    command -v mvn >/dev/null || return 0
    (fetch_kafka || true) </dev/null >/dev/null 2>&1 9>&- &
}

# Calls the plugin by its full name: by its prefix, Maven hides why it could not reach a repository.
fetch_jars() {
    timeout 600 mvn --batch-mode --strict-checksums --quiet -Dstyle.color=never \
        -f "$ROOT/deploy/kafka/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies \
        -DincludeScope=runtime "-DoutputDirectory=$KAFKA_HOME/libs.new" </dev/null 7>&- 9>&-
}

# choose_broker [--dev-broker]: decides once for this start and says so when it is not the real one.
choose_broker() {
    local kind=kafka
    if [[ ${1:-} == --dev-broker ]]; then
        kind=devbroker
    elif ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
        say kafka "no Java or Maven on this machine: falling back to flowstack-devbroker"
        kind=devbroker
    elif ! fetch_kafka; then
        say kafka "the jars cannot be had: falling back to flowstack-devbroker"
        kind=devbroker
    fi
    printf '%s\n' "$kind" >"$RUN_DIR/kafka.kind"
}

write_kafka_properties() {
    mkdir -p "$RUN_DIR/kafka"
    sed -e "s|@PORT@|$KAFKA_PORT|g" -e "s|@CONTROLLER_PORT@|$KAFKA_CONTROLLER_PORT|g" \
        -e "s|@DATA_DIR@|$RUN_DIR/kafka/data|g" "$ROOT/deploy/kafka/server.properties.in" \
        >"$RUN_DIR/kafka/server.properties"
    [[ $KAFKA_SECURE == yes ]] || return 0
    make_certificates "$RUN_DIR/certificates"
    # It holds a password.
    chmod 600 "$RUN_DIR/kafka/server.properties"
    sed -e "s|@PORT@|$KAFKA_PORT|g" -e "s|@CONTROLLER_PORT@|$KAFKA_CONTROLLER_PORT|g" \
        -e "s|@TLS_PORT@|$KAFKA_TLS_PORT|g" -e "s|@SASL_PORT@|$KAFKA_SASL_PORT|g" \
        -e "s|@CERTIFICATES@|$RUN_DIR/certificates|g" -e "s|@PASSWORD@|$POSTGRES_PASSWORD|g" \
        "$ROOT/deploy/kafka/secure.properties.in" >>"$RUN_DIR/kafka/server.properties"
}

# Formats a data folder once. The cluster id may be any 16 bytes in URL-safe base64; it may begin with a dash, which
# must not make it an option.
format_kafka() {
    local id mechanism users=() log=$RUN_DIR/log/kafka.log
    [[ ! -f $RUN_DIR/kafka/data/meta.properties ]] || return 0
    if [[ $KAFKA_SECURE == yes ]]; then
        for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
            users+=(--add-scram "$mechanism=[name=flowstack,password=$POSTGRES_PASSWORD]")
        done
    fi
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    java "${KAFKA_JAVA[@]}" -Xmx256m "-Dlog4j2.configurationFile=$ROOT/deploy/kafka/log4j2.properties" \
        -cp "$KAFKA_HOME/libs/*" kafka.tools.StorageTool format --ignore-formatted "--cluster-id=$id" \
        "${users[@]}" -c "$RUN_DIR/kafka/server.properties" </dev/null >>"$log" 2>&1 9>&- ||
        fail kafka "formatting $RUN_DIR/kafka/data did not succeed" "$log"
}

start_kafka() {
    begin_kafka
    await_kafka
}

# Starts the broker and returns at once, so that other things can start meanwhile.
begin_kafka() {
    local log=$RUN_DIR/log/kafka.log binary=$BIN_DIR/flowstack-devbroker
    KAFKA_BEGAN_MS=''
    if process_alive kafka; then
        say kafka "runs already: $(broker_words) on $(kafka_brokers)"
        return
    fi
    mkdir -p "$RUN_DIR/log"
    KAFKA_BEGAN_MS=$(now_ms)
    if [[ $(kafka_kind) == devbroker ]]; then
        [[ -x $binary ]] || fail kafka "$binary is missing: build it with ./flowstack build"
        rm -f "$RUN_DIR/kafka.address"
        start_process kafka "$binary" --address-file "$RUN_DIR/kafka.address" --lanes "$LANES"
        return
    fi
    [[ -d $KAFKA_HOME/libs ]] || fetch_kafka || fail kafka "no jars in $KAFKA_HOME/libs"
    write_kafka_properties
    format_kafka
    touch "$log"
    KAFKA_LOG_SIZE=$(stat -c %s "$log")
    start_process kafka java -Xms128m -Xmx256m "${KAFKA_JAVA[@]}" \
        "-Dlog4j2.configurationFile=$ROOT/deploy/kafka/log4j2.properties" \
        -cp "$KAFKA_HOME/libs/*" kafka.Kafka "$RUN_DIR/kafka/server.properties"
}

await_kafka() {
    local log=$RUN_DIR/log/kafka.log
    [[ -n $KAFKA_BEGAN_MS ]] || return 0
    wait_until "$KAFKA_START_SECONDS" kafka_ready_or_dead ||
        fail kafka "not ready after $KAFKA_START_SECONDS s" "$log"
    process_alive kafka || fail kafka "ended while starting" "$log"
    say kafka "$(broker_words) ready on $(kafka_brokers) ($(($(now_ms) - KAFKA_BEGAN_MS)) ms)"
}

kafka_ready_or_dead() {
    process_gone kafka ||
        if [[ $(kafka_kind) == devbroker ]]; then
            [[ -s $RUN_DIR/kafka.address ]]
        else
            # The broker logs this line only after the controller has let it in.
            tail -c "+$((KAFKA_LOG_SIZE + 1))" "$RUN_DIR/log/kafka.log" | grep -q 'Kafka Server started'
        fi
}

# Names what carries the events; shown wherever a person looks.
broker_words() {
    if [[ $(kafka_kind) == devbroker ]]; then
        printf 'flowstack-devbroker (NOT Kafka: an in-memory stand-in)'
    else
        printf 'Apache Kafka %s (real, one KRaft node)' "$KAFKA_VERSION"
    fi
}

# The bootstrap address. The dev broker picks its own port at every start.
kafka_brokers() {
    if [[ $(kafka_kind) == devbroker ]]; then
        cat "$RUN_DIR/kafka.address" 2>/dev/null || printf '127.0.0.1:%s' "$KAFKA_PORT"
    else
        printf '127.0.0.1:%s' "$KAFKA_PORT"
    fi
}

stop_kafka() {
    stop_process kafka "$KAFKA_STOP_SECONDS" || fail kafka "does not stop"
}

# Deletes every topic and offset; the next start formats anew, under a new cluster id.
wipe_kafka() {
    if process_alive kafka; then
        signal_process kafka KILL
    fi
    stop_kafka
    rm -rf "$RUN_DIR/kafka" "$RUN_DIR/kafka.address"
}
