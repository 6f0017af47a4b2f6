# shellcheck shell=bash
# Ports. A stack lives in a block of 32: the first free one from 18000, kept in RUN_DIR/ports, line
# 1 + i for replica i. Blocks are also noted in a folder for the whole machine, so that two clones
# that are not running yet do not pick the same one. Any single port can be set by hand.

PORT_FIRST=18000
PORT_LAST=32000 # below the kernel's ephemeral ports
PORT_BLOCK=32
PORT_CLAIMS=/tmp/flowstack-ports

# name offset: what listens where inside a block.
PORT_NAMES=(
    'POSTGRES_PORT 0' 'KAFKA_PORT 1' 'KAFKA_CONTROLLER_PORT 2' 'SANDBOX_PORT 3'
    'GATEWAY_HTTP_PORT 4' 'GATEWAY_GRPC_PORT 5' 'GATEWAY_ADMIN_PORT 6'
    'CONVERSATION_GRPC_PORT 7' 'CONVERSATION_ADMIN_PORT 8'
    'PAYMENT_HTTP_PORT 9' 'PAYMENT_GRPC_PORT 10' 'PAYMENT_ADMIN_PORT 11'
    'FOLLOWUP_GRPC_PORT 12' 'FOLLOWUP_ADMIN_PORT 13'
    'CAMPAIGN_GRPC_PORT 14' 'CAMPAIGN_ADMIN_PORT 15'
    # Kafka by TLS and by SASL, for tests.
    'KAFKA_TLS_PORT 19' 'KAFKA_SASL_PORT 20'
    # The bench's peer of e2e.
    'E2E_NODE_POSTGRES_PORT 16' 'E2E_NODE_REDIS_PORT 17' 'E2E_NODE_HTTP_PORT 18'
    # The drill's cluster of an earlier point in time.
    'THEN_POSTGRES_PORT 19'
)

# Listening TCP ports of this machine as lines of four hex digits.
listening_ports() {
    awk '$4 == "0A" { n = split($2, a, ":"); print a[n] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# port_taken <port> [hex list from listening_ports]
port_taken() {
    local hex list
    printf -v hex '%04X' "$1"
    list=${2-$(listening_ports)}
    [[ $'\n'$list$'\n' == *$'\n'$hex$'\n'* ]]
}

block_free() {
    local base=$1 list=$2 i
    for ((i = 0; i < PORT_BLOCK; i++)); do
        ! port_taken $((base + i)) "$list" || return 1
    done
}

# Whether somebody else holds this block. A note counts while its run directory still names the block.
block_claimed_by_other() {
    local base=$1 dir
    { read -r dir <"$PORT_CLAIMS/$base"; } 2>/dev/null || return 1
    [[ $dir != "$RUN_DIR" ]] && grep -qsx "$base" "$dir/ports"
}

# Holds the machine-wide lock (fd 8) while blocks are looked for.
lock_port_claims() {
    if [[ ! -d $PORT_CLAIMS ]]; then
        mkdir -m 1777 "$PORT_CLAIMS" 2>/dev/null && chmod 1777 "$PORT_CLAIMS"
    fi
    ( umask 0; : >>"$PORT_CLAIMS/lock" ) 2>/dev/null || true
    exec 8<"$PORT_CLAIMS/lock"
    flock --timeout 30 8 || fail ports "somebody holds $PORT_CLAIMS/lock for 30 s"
}

claim_block() {
    rm -f "$PORT_CLAIMS/$1"
    printf '%s\n' "$RUN_DIR" >"$PORT_CLAIMS/$1"
}

first_free_block() {
    local base list
    list=$(listening_ports)
    for ((base = PORT_FIRST; base + PORT_BLOCK <= PORT_LAST; base += PORT_BLOCK)); do
        [[ " $* " == *" $base "* ]] && continue
        if ! block_claimed_by_other "$base" && block_free "$base" "$list"; then
            printf '%s' "$base"
            return
        fi
    done
    fail ports "no free block of $PORT_BLOCK ports between $PORT_FIRST and $PORT_LAST"
}

# ensure_ports [replicas]: fills RUN_DIR/ports up to that many blocks and loads the addresses.
# A block that was taken by somebody else meanwhile is given up, if nothing of ours runs.
ensure_ports() {
    local replicas=${1:-1} bases=() base list i running
    mkdir -p "$RUN_DIR"
    if [[ -f $RUN_DIR/ports ]]; then
        mapfile -t bases <"$RUN_DIR/ports"
    fi
    running=$(running_names)
    lock_port_claims
    if [[ -z $running && ${#bases[@]} -gt 0 ]]; then
        list=$(listening_ports)
        for base in "${bases[@]}"; do
            if block_claimed_by_other "$base" || ! block_free "$base" "$list"; then
                say ports "block $base is in use by somebody else now, looking for another"
                bases=()
                break
            fi
        done
    fi
    for ((i = ${#bases[@]}; i < replicas; i++)); do
        base=$(first_free_block "${bases[@]}") || exit 1
        bases+=("$base")
        printf '%s\n' "${bases[@]}" >"$RUN_DIR/ports"
        claim_block "$base"
    done
    printf '%s\n' "${bases[@]}" >"$RUN_DIR/ports"
    for base in "${bases[@]}"; do
        claim_block "$base"
    done
    exec 8<&-
    [[ -n $running ]] || remember_ports_set_by_hand
    load_ports
}

running_names() {
    local name
    for name in $(process_names); do
        ! process_alive "$name" || printf '%s\n' "$name"
    done
}

# Sets POSTGRES_PORT … from RUN_DIR/ports, but for those set by hand.
load_ports() {
    local base entry name
    [[ -f $RUN_DIR/ports ]] || return 1
    read -r base <"$RUN_DIR/ports"
    for entry in "${PORT_NAMES[@]}"; do
        name=${entry% *}
        printf -v "$name" '%d' $((base + ${entry#* }))
    done
    if [[ -f $RUN_DIR/ports.by_hand ]]; then
        while IFS='=' read -r name entry; do
            printf -v "$name" '%d' "$entry"
        done <"$RUN_DIR/ports.by_hand"
    fi
}

# A port is set by hand as FLOWSTACK_<name>, e.g. FLOWSTACK_POSTGRES_PORT=5433 ./flowstack up. Kept
# in RUN_DIR/ports.by_hand until the next start from nothing, so that `down` needs no environment.
remember_ports_set_by_hand() {
    local entry name by_hand value list
    list=$(listening_ports)
    : >"$RUN_DIR/ports.by_hand"
    for entry in "${PORT_NAMES[@]}"; do
        name=${entry% *}
        by_hand="FLOWSTACK_$name"
        value=${!by_hand:-}
        [[ -n $value ]] || continue
        if [[ ! $value =~ ^[1-9][0-9]{0,4}$ ]] || ((value > 65535)); then
            fail ports "$by_hand=$value is not a port (1 to 65535)"
        fi
        ! port_taken "$value" "$list" ||
            fail ports "$by_hand=$value was set by hand, and something listens on port $value already"
        printf '%s=%s\n' "$name" "$value" >>"$RUN_DIR/ports.by_hand"
    done
}

# service_port <KIND: HTTP|GRPC|ADMIN> <service> <replica>
service_port() {
    local name="${2^^}_$1_PORT" entry bases
    if (($3 == 0)); then
        printf '%s' "${!name}"
        return
    fi
    mapfile -t bases <"$RUN_DIR/ports"
    for entry in "${PORT_NAMES[@]}"; do
        if [[ ${entry% *} == "$name" ]]; then
            printf '%d' $((bases[$3] + ${entry#* }))
        fi
    done
}
