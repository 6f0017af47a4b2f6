# shellcheck shell=bash
# The running system: PostgreSQL, Kafka, the five services (in replicas) and the sandbox, started,
# looked at, hurt and stopped by name. An instance is `<service>-<replica>`; `gateway` alone means
# gateway-0.

SERVICE_START_SECONDS=120
SERVICE_STOP_SECONDS=20
LANES_SECONDS=120

replica_count() {
    cat "$RUN_DIR/replicas" 2>/dev/null || printf 1
}

has_http_door() {
    [[ $1 == gateway || $1 == payment ]]
}

# All instances in the order of starting. The sandbox comes first, as the providers are there first.
instances() {
    local service i n
    n=$(replica_count)
    printf 'sandbox\n'
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        for ((i = 0; i < n; i++)); do
            printf '%s-%d\n' "$service" "$i"
        done
    done
}

# instance_name <what a person typed>: gateway → gateway-0.
instance_name() {
    local known
    known=" postgres kafka $(instances | tr '\n' ' ')"
    if [[ $known == *" $1 "* ]]; then
        printf '%s' "$1"
    elif [[ $known == *" $1-0 "* ]]; then
        printf '%s-0' "$1"
    else
        fail "$1" "no such process; there are:$known"
    fi
}

# The programs that a running stack consists of: what `up` and `demo` compile.
STACK_PROGRAMS=(flowctl flowstack-sandbox flowstack-devbroker "${FLOWSTACK_SERVICES[@]/#/flowstack-}")

# Names every missing program that the stack needs, all at once.
missing_programs() {
    local program
    for program in "$@" "${STACK_PROGRAMS[@]}"; do
        [[ -x $BIN_DIR/$program ]] || printf '%s\n' "$program"
    done
}

# require_programs [more…]
# shellcheck disable=SC2120
require_programs() {
    local missing
    missing=$(missing_programs "$@")
    [[ -z $missing ]] ||
        fail start "missing in $BIN_DIR: ${missing//$'\n'/, } (./flowstack build makes them)"
}

# The gRPC address of a service for its callers: with replicas a list, over which gRPC spreads the calls.
grpc_target() {
    local i n list=''
    n=$(replica_count)
    for ((i = 0; i < n; i++)); do
        list+="${list:+,}127.0.0.1:$(service_port GRPC "$1" "$i")"
    done
    if ((n > 1)); then
        list="ipv4:$list"
    fi
    printf '%s' "$list"
}

# Whether the services of this run directory know each other by certificates.
has_service_certificates() {
    [[ -e $RUN_DIR/mtls ]]
}

# The settings of gRPC for whoever has this certificate, a line each.
certificate_settings() {
    local folder=$RUN_DIR/tls
    printf '%s=%s\n' GRPC_AUTH certificate GRPC_TLS_CERT_FILE "$folder/$1.pem" \
        GRPC_TLS_KEY_FILE "$folder/$1.key" GRPC_TLS_CA_FILE "$folder/ca.pem" \
        GRPC_TLS_ID 'spiffe://flowstack.test/sa/{service}' \
        GRPC_TLS_CALLERS operator:developer=spiffe://flowstack.test/sa/operator
}

# RUN_DIR/env: where everything is, as NAME=value lines that shells source and programs parse. It is
# also what flowctl, the demo and the end-to-end tests get.
write_env() {
    local service i n name value
    n=$(replica_count)
    {
        # shellcheck disable=SC2016
        printf '# Written by ./flowstack up. `set -a; . %s; set +a` gives a shell the whole stack.\n' "$RUN_DIR/env"
        printf '%s=%q\n' \
            FLOWSTACK_ROOT "$ROOT" FLOWSTACK_RUN_DIR "$RUN_DIR" FLOWSTACK_BIN_DIR "$BIN_DIR" \
            POSTGRES_URL "$(postgres_url postgres)" \
            KAFKA_BROKERS "$(kafka_brokers)" KAFKA_KIND "$(kafka_kind)" LANES "$LANES" \
            MASTER_KEY "$MASTER_KEY" MASTER_KEY_OTHER "$MASTER_KEY_OTHER" ADMIN_KEY "$ADMIN_KEY" INTERNAL_KEY "$INTERNAL_KEY" \
            META_APPS "$META_APP_ID:$META_APP_SECRET" META_APP_ID "$META_APP_ID" \
            META_APP_SECRET "$META_APP_SECRET" META_VERIFY_TOKEN "$META_VERIFY_TOKEN" \
            SANDBOX_URL "http://127.0.0.1:$SANDBOX_PORT" \
            META_BASE_URL "http://127.0.0.1:$SANDBOX_PORT" \
            TWILIO_BASE_URL "http://127.0.0.1:$SANDBOX_PORT" \
            DARAJA_BASE_URL "http://127.0.0.1:$SANDBOX_PORT" \
            STRIPE_BASE_URL "http://127.0.0.1:$SANDBOX_PORT" \
            PAYMENT_PROVIDERS "mpesa:KES,stripe:KES/USD" \
            WEBHOOK_PRIVATE_ADDRESSES true \
            SANDBOX_RECORD "$RUN_DIR/sandbox.jsonl" \
            MEDIA_DIRECTORY "$RUN_DIR/media" \
            PUBLIC_BASE_URL "http://127.0.0.1:$(service_port HTTP gateway 0)" \
            PAYMENT_PUBLIC_BASE_URL "http://127.0.0.1:$(service_port HTTP payment 0)" \
            REPLICAS "$n"
        # Everybody here has the same address, and tools ask every route with a wrong key.
        printf 'WRONG_KEYS_MAX=1000000\n'
        for service in "${FLOWSTACK_SERVICES[@]}"; do
            printf '%s_DATABASE_URL=%q\n' "${service^^}" "$(service_url "$service")"
            printf '%s_MIGRATE_URL=%q\n' "${service^^}" "$(postgres_url "flowstack_$service")"
            printf '%s_GRPC=%q\n' "${service^^}" "$(grpc_target "$service")"
            for ((i = 0; i < n; i++)); do
                printf '%s_%d_GRPC=127.0.0.1:%s\n' "${service^^}" "$i" "$(service_port GRPC "$service" "$i")"
                printf '%s_%d_ADMIN=127.0.0.1:%s\n' "${service^^}" "$i" "$(service_port ADMIN "$service" "$i")"
                if has_http_door "$service"; then
                    printf '%s_%d_HTTP=127.0.0.1:%s\n' "${service^^}" "$i" "$(service_port HTTP "$service" "$i")"
                fi
            done
        done
        # The mock cluster answers an empty fetch only when its wait is over.
        [[ $(kafka_kind) != devbroker ]] || printf 'KAFKA_FETCH_WAIT_MS=10\nKAFKA_GATHER_MS=10\n'
        if has_service_certificates; then
            certificate_settings operator | while IFS='=' read -r name value; do printf '%s=%q\n' "$name" "$value"; done
        fi
        if [[ -s $RUN_DIR/settings ]]; then
            cat "$RUN_DIR/settings"
        fi
    } >"$RUN_DIR/env.new"
    chmod 600 "$RUN_DIR/env.new"
    mv "$RUN_DIR/env.new" "$RUN_DIR/env"
}

# What was decided by the last `up`, for the commands that come after it.
load_stack() {
    load_secrets
    META_APP_ID=100000000000001
    load_ports || fail "$1" "nothing was ever started in $RUN_DIR: ./flowstack up"
}

# The environment of one instance, as arguments of env(1). Its own settings win over RUN_DIR/env.
instance_environment() {
    local service=${1%-*} replica=${1##*-} line replicas
    INSTANCE_ENV=()
    while IFS= read -r line; do
        [[ $line == \#* || -z $line ]] || INSTANCE_ENV+=("$line")
    done < <(
        set -a
        # shellcheck disable=SC1091
        source "$RUN_DIR/env"
        # Values as the shell sees them, so that quoting in the file does not matter.
        sed -n 's/^\([A-Z][A-Z0-9_]*\)=.*/\1/p' "$RUN_DIR/env" | sort -u | while IFS= read -r name; do
            printf '%s=%s\n' "$name" "${!name}"
        done
    )
    # All of it is on this machine, so a proxy that the developer's shell knows must not be used.
    INSTANCE_ENV+=("NO_PROXY=127.0.0.1,localhost" "no_proxy=127.0.0.1,localhost")
    if [[ $1 == sandbox ]]; then
        INSTANCE_ENV+=("HTTP_PORT=$SANDBOX_PORT" "RECORD_FILE=$RUN_DIR/sandbox.jsonl")
        return
    fi
    INSTANCE_ENV+=(
        "DATABASE_URL=$(service_url "$service")" "REPLICA_ID=$replica"
        "GRPC_PORT=$(service_port GRPC "$service" "$replica")"
        "ADMIN_PORT=$(service_port ADMIN "$service" "$replica")"
    )
    if has_http_door "$service"; then
        INSTANCE_ENV+=("HTTP_PORT=$(service_port HTTP "$service" "$replica")")
    fi
    if has_service_certificates; then
        while IFS= read -r line; do INSTANCE_ENV+=("$line"); done < <(certificate_settings "$service")
    fi
    replicas=$(replica_count)
    ((replicas > 1)) || return 0
    # A payment's callback comes to another replica than the one that pushed it, as it may behind a
    # balancer.
    INSTANCE_ENV+=(
        "PAYMENT_PUBLIC_BASE_URL=http://127.0.0.1:$(service_port HTTP payment $(((replica + 1) % replicas)))"
    )
}

# begin_instance <instance> [arguments…]: starts it unless it runs.
begin_instance() {
    local instance=$1 program
    shift
    program=$BIN_DIR/flowstack-${instance%-[0-9]*}
    ! process_alive "$instance" || return 0
    [[ -x $program ]] || fail "$instance" "$program is missing (./flowstack build makes it)"
    instance_environment "$instance"
    start_process "$instance" env -C "$ROOT" "${INSTANCE_ENV[@]}" "$program" "$@"
}

# The port and path that tell whether an instance is ready.
readiness_address() {
    if [[ $1 == sandbox ]]; then
        printf '%s /readyz' "$SANDBOX_PORT"
    else
        printf '%s /readyz' "$(service_port ADMIN "${1%-*}" "${1##*-}")"
    fi
}

instance_ready() {
    local port path
    read -r port path <<<"$(readiness_address "$1")"
    [[ $(http_status "$port" "$path") == 200 ]]
}

instance_ready_or_dead() {
    process_gone "$1" || instance_ready "$1"
}

await_instance() {
    local log=$RUN_DIR/log/$1.log pid port path
    read -r port path <<<"$(readiness_address "$1")"
    wait_until "$SERVICE_START_SECONDS" instance_ready_or_dead "$1" ||
        fail "$1" "not ready after $SERVICE_START_SECONDS s (GET 127.0.0.1:$port$path)" "$log"
    pid=$(process_pid "$1") || fail "$1" "ended while starting" "$log"
    say "$1" "ready (pid $pid)"
}

# run_flowctl <log name> <arguments…>: with the whole stack in its environment.
run_flowctl() {
    local log=$RUN_DIR/log/$1.log
    shift
    [[ -x $BIN_DIR/flowctl ]] || fail "$1" "$BIN_DIR/flowctl is missing (./flowstack build makes it)"
    instance_environment "gateway-0"
    env -u HTTP_PORT -u GRPC_PORT "${INSTANCE_ENV[@]}" "$BIN_DIR/flowctl" "$@" \
        </dev/null >>"$log" 2>&1 9>&- || fail "flowctl $1" "it ended with status $?" "$log"
}

# up [--replicas N] [--env FILE] [--mtls] [--dev-broker] [--no-build] [--no-seed]
stack_up() {
    local replicas='' settings='' broker='' mtls=no build=${FLOWSTACK_NO_BUILD:+no} seed=yes instance
    while (($# > 0)); do
        case $1 in
            --replicas) replicas=${2:-}; shift
                [[ $replicas =~ ^[1-9]$ ]] || usage_error "--replicas wants a number from 1 to 9" ;;
            --env) settings=${2:-}; shift
                [[ -r $settings ]] || usage_error "--env wants a file of NAME=value lines" ;;
            --mtls) mtls=yes ;;
            --dev-broker) broker=--dev-broker ;;
            --no-build) build=no ;;
            --no-seed) seed=no ;;
            *) usage_error "up does not know '$1'" ;;
        esac
        (($# == 0)) || shift
    done
    if [[ -n $(missing_programs) && $build != no ]]; then
        build_all "${STACK_PROGRAMS[@]}"
    fi
    require_programs
    install_packages "$ROOT/tools/dev/packages.txt"

    lock_run_dir
    load_secrets
    META_APP_ID=100000000000001
    [[ -z $replicas ]] || printf '%s\n' "$replicas" >"$RUN_DIR/replicas"
    if [[ -n $settings ]]; then
        check_settings "$settings"
        cp "$settings" "$RUN_DIR/settings"
    fi
    if [[ $mtls == yes ]]; then
        : >"$RUN_DIR/mtls"
    fi
    ! has_service_certificates || make_service_certificates "$RUN_DIR/tls"
    ensure_ports "$(replica_count)"
    if process_gone kafka; then
        choose_broker $broker
    fi
    begin_kafka
    start_postgres
    create_databases
    await_kafka
    write_env
    stop_surplus
    say flowctl "migrate"
    run_flowctl migrate migrate
    while IFS= read -r instance; do
        begin_instance "$instance"
    done < <(instances)
    while IFS= read -r instance; do
        await_instance "$instance"
    done < <(instances)
    await_lanes
    begin_supervisor
    if [[ $seed == yes ]]; then
        say flowctl "seed"
        run_flowctl seed seed
    fi
    unlock_run_dir
}

# lanes_owned <service>: how many lanes its replicas own together, as their metrics say.
lanes_owned() {
    local i n owned sum=0
    n=$(replica_count)
    for ((i = 0; i < n; i++)); do
        owned=$(http_body "$(service_port ADMIN "$1" "$i")" /metrics |
            awk '$1 ~ /^flowstack_lanes_owned/ { sum += $2 } END { printf "%d", sum }') || true
        sum=$((sum + ${owned:-0}))
    done
    printf '%d' "$sum"
}

every_lane_owned() {
    local service
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        (($(lanes_owned "$service") >= LANES)) || return 1
    done
}

# A service is ready when it has taken its first lanes. With replicas, lanes still move for a moment
# after that. Whoever writes to the shop meanwhile would wait for the answer.
await_lanes() {
    local service
    wait_until "$LANES_SECONDS" every_lane_owned && return
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        (($(lanes_owned "$service") >= LANES)) ||
            complain "$service" "owns $(lanes_owned "$service") of $LANES lanes after $LANES_SECONDS s" \
                "$RUN_DIR/log/$service-0.log"
    done
    fail start "not every lane has an owner"
}

# Stops replicas that an earlier `up` started and this one does not want.
stop_surplus() {
    local name known
    known=" postgres kafka supervisor $(instances | tr '\n' ' ')"
    for name in $(process_names); do
        [[ $known != *" $name "* ]] || continue
        process_alive "$name" || continue
        stop_process "$name" "$SERVICE_STOP_SECONDS" || complain "$name" "does not stop"
        say "$name" "stopped: there are $(replica_count) replicas now"
    done
}

# Checks lines of NAME=value, so that a typing error is reported here and not by a service that lacks the setting.
check_settings() {
    local wrong
    wrong=$(grep -nvE '^([A-Z][A-Z0-9_]*=.*|#.*|)$' "$1" || true)
    [[ -z $wrong ]] || fail settings "$1 is not NAME=value in line $wrong"
}

# Asks all of them at once, then waits for each.
stop_instances() {
    local instance names
    names=$(process_names | { grep -vxE 'postgres|kafka' || true; } | tac) # there may be no other
    for instance in $names; do
        ask_to_stop "$instance"
    done
    for instance in $names; do
        await_stop "$instance" "$SERVICE_STOP_SECONDS" || complain "$instance" "does not stop"
    done
}

# down [--wipe]
stack_down() {
    local wipe=no
    case ${1:-} in
        --wipe) wipe=yes ;;
        '') ;;
        *) usage_error "down does not know '$1'" ;;
    esac
    lock_run_dir
    if [[ -z $(running_names) ]]; then
        say down "nothing runs in $RUN_DIR"
    else
        stop_instances
        stop_kafka
        stop_postgres
        say down "everything in $RUN_DIR is stopped"
    fi
    if [[ $wipe == yes ]]; then
        wipe_kafka
        wipe_postgres
        rm -rf "$RUN_DIR/tls"
        rm -f "$RUN_DIR/sandbox.jsonl" "$RUN_DIR/mtls" "$RUN_DIR"/log/*.log
        say down "its data is wiped"
    fi
    unlock_run_dir
}

# One line a process. Exit status 0 only if all that belongs to the stack is ready.
stack_status() {
    local name pid state all_well=0
    [[ -f $RUN_DIR/ports ]] || fail status "nothing was ever started in $RUN_DIR: ./flowstack up"
    load_stack status
    printf '%-16s %-10s %8s %9s  %s\n' process state pid memory address
    for name in postgres kafka $(instances); do
        state=$(process_state "$name")
        pid=$(process_pid "$name") || pid=-
        [[ $state == ready ]] || all_well=1
        printf '%-16s %-10s %8s %9s  %s%s\n' "$name" "$state" "$pid" "$(process_memory "$pid")" \
            "$(process_address "$name")" "$(supervision_words "$name")"
    done
    printf 'run directory    %s\nbus              %s\n' "$RUN_DIR" "$(broker_words)"
    return "$all_well"
}

process_state() {
    local pid stat
    if ! pid=$(process_pid "$1"); then
        if process_died "$1"; then printf died; else printf stopped; fi
        return
    fi
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || true
    stat=${stat##*) }
    if [[ ${stat:0:1} == T ]]; then
        printf paused
    elif case $1 in
        postgres) postgres_ready ;;
        kafka) tcp_open "$(kafka_brokers)" ;;
        *) instance_ready "$1" ;;
    esac then
        printf ready
    else
        printf 'not ready'
    fi
}

# tcp_open <host:port>
tcp_open() {
    # shellcheck disable=SC2016
    timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "${1%:*}" "${1##*:}" 2>/dev/null
}

process_memory() {
    local kib
    kib=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null) || true
    if [[ -n $kib ]]; then
        printf '%d MiB' $((kib / 1024))
    else
        printf -- '-'
    fi
}

process_address() {
    local service=${1%-*} replica=${1##*-}
    case $1 in
        postgres) printf '127.0.0.1:%s' "$POSTGRES_PORT" ;;
        kafka) kafka_brokers ;;
        sandbox) printf 'http://127.0.0.1:%s' "$SANDBOX_PORT" ;;
        *)
            if has_http_door "$service"; then
                printf 'http 127.0.0.1:%s · ' "$(service_port HTTP "$service" "$replica")"
            fi
            printf 'grpc 127.0.0.1:%s · admin http://127.0.0.1:%s' \
                "$(service_port GRPC "$service" "$replica")" "$(service_port ADMIN "$service" "$replica")"
            ;;
    esac
}

# logs [name…] [--tenant T] [-f]. With a tenant, every line that names it, of all that is kept; the
# services write one line of JSON for each event, so the tenant stands in it as "tenant":"T".
stack_logs() {
    local follow=() files=() arg file tenant=''
    while (($# > 0)); do
        arg=$1
        shift
        case $arg in
            -f | --follow) follow=(-F) ;;
            --tenant)
                [[ -n ${1:-} ]] || usage_error "logs --tenant wants a tenant"
                tenant=$1
                shift
                ;;
            -*) usage_error "logs does not know '$arg'" ;;
            *)
                for file in "$RUN_DIR/log/$arg.log" "$RUN_DIR/log/$arg"-[0-9]*.log; do
                    [[ ! -f $file ]] || files+=("$file")
                done
                [[ ${#files[@]} -gt 0 ]] ||
                    fail logs "$RUN_DIR/log has nothing of '$arg'; there are: $(log_names)"
                ;;
        esac
    done
    if [[ -n $tenant ]]; then
        [[ ${#files[@]} -gt 0 ]] || files=("$RUN_DIR"/log/*.log)
        if [[ ${#follow[@]} -gt 0 ]]; then
            tail -q -n +1 -F "${files[@]}" 2>/dev/null | grep --line-buffered -F "\"tenant\":\"$tenant\""
        else
            cat "${files[@]}" | grep -F "\"tenant\":\"$tenant\"" | sort -s ||
                say logs "no line names the tenant '$tenant'"
        fi
    elif [[ ${#files[@]} -eq 0 ]]; then
        for file in "$RUN_DIR"/log/*.log; do
            [[ ! -f $file ]] || files+=("$file")
        done
        [[ ${#files[@]} -gt 0 ]] || fail logs "there are no logs in $RUN_DIR/log yet"
        tail -n 20 "${follow[@]}" "${files[@]}"
    else
        tail -n 200 "${follow[@]}" "${files[@]}"
    fi
}

log_names() {
    local file
    for file in "$RUN_DIR"/log/*.log; do
        file=${file##*/}
        printf '%s ' "${file%.log}"
    done
}

# start <name> [--no-wait] [-- arguments of the program]
start_one() {
    local name=${1:-} wait=yes
    [[ -n $name ]] || usage_error "start wants a name"
    shift
    while (($# > 0)); do
        case $1 in
            --no-wait) wait=no ;;
            --)
                shift
                break
                ;;
            *) usage_error "start does not know '$1'" ;;
        esac
        shift
    done
    lock_run_dir
    load_stack start
    name=$(instance_name "$name") || exit 1
    case $name in
        postgres) start_postgres ;;
        kafka)
            start_kafka
            write_env # the dev broker has another port each time
            ;;
        *)
            clear_ended "$name"
            begin_instance "$name" "$@"
            [[ $wait == no ]] || await_instance "$name"
            ;;
    esac
    unlock_run_dir
}

# run <name> [arguments]: the program of an instance in the foreground, with its environment. For
# what it does once and ends: `./flowstack run payment --rebuild`.
run_one() {
    local name
    [[ -n ${1:-} ]] || usage_error "run wants a name"
    load_stack run
    name=$(instance_name "$1") || exit 1
    shift
    [[ $name != postgres && $name != kafka ]] || usage_error "run is for services and the sandbox"
    instance_environment "$name"
    exec env -C "$ROOT" "${INSTANCE_ENV[@]}" "$BIN_DIR/flowstack-${name%-[0-9]*}" "$@"
}

# ctl [arguments]: flowctl with the addresses and keys of the stack in this run directory.
run_ctl() {
    [[ -x $BIN_DIR/flowctl ]] || fail ctl "$BIN_DIR/flowctl is missing (./flowstack build makes it)"
    FLOWSTACK_RUN_DIR=$RUN_DIR exec "$BIN_DIR/flowctl" "$@"
}

stop_one() {
    local name
    [[ -n ${1:-} ]] || usage_error "stop wants a name"
    lock_run_dir
    load_stack stop
    name=$(instance_name "$1") || exit 1
    case $name in
        postgres) stop_postgres ;;
        kafka) stop_kafka ;;
        *) stop_process "$name" "$SERVICE_STOP_SECONDS" || fail "$name" "does not stop" ;;
    esac
    say "$name" "stopped"
    unlock_run_dir
}

# kill <name> [-SIGNAL]: KILL unless said otherwise. After KILL it returns when the process is gone.
kill_one() {
    local name pid members signal=${2:--9}
    [[ -n ${1:-} ]] || usage_error "kill wants a name"
    signal=${signal#-}
    signal=${signal#SIG}
    load_stack kill
    name=$(instance_name "$1") || exit 1
    mark_ended "$name"
    pid=$(process_pid "$name") || fail "signal $signal" "$name does not run in $RUN_DIR"
    mapfile -t members < <(process_tree "$pid")
    signal_process "$name" "$signal"
    # Sessions of a paused PostgreSQL notice that their server is gone only when they run.
    kill -s CONT "${members[@]:1}" 2>/dev/null || true
    if [[ $signal == 9 || $signal == KILL ]]; then
        wait_until 10 process_gone "$name" || fail "$name" "lives on after SIGKILL"
    fi
    say "$name" "got signal $signal"
}

# pause | resume
pause_one() {
    local name
    [[ -n ${2:-} ]] || usage_error "$1 wants a name"
    load_stack "$1"
    name=$(instance_name "$2") || exit 1
    if [[ $1 == pause ]]; then
        signal_tree "$name" STOP
    else
        signal_tree "$name" CONT
    fi
    say "$name" "${1}d"
}

# kafka|postgres start|stop|restart|kill|wipe|pause|resume. `wipe` leaves it stopped.
server_command() {
    local server=$1 verb=${2:-}
    case $verb in
        start) start_one "$server" ;;
        stop) stop_one "$server" ;;
        restart)
            stop_one "$server"
            start_one "$server"
            ;;
        kill) kill_one "$server" "${3:--9}" ;;
        pause | resume) pause_one "$verb" "$server" ;;
        wipe)
            lock_run_dir
            load_stack wipe
            "wipe_$server"
            say "$server" "wiped"
            unlock_run_dir
            ;;
        *) usage_error "$server wants start, stop, restart, kill, pause, resume or wipe" ;;
    esac
}
