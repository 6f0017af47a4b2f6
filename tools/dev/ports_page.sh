#!/usr/bin/env bash
# docs/ports.md, made of what the deployments say: deploy/systemd/etc, deploy/compose and deploy/k8s/base.
#   ports_page.sh            compares, 1 if they differ
#   ports_page.sh --write    writes it
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
SERVICES=(gateway conversation payment followup campaign)
COMPOSE=$ROOT/deploy/compose/compose.yaml

# systemd_port <service> <setting>
systemd_port() { sed -n "s/^$2=//p" "$ROOT/deploy/systemd/etc/$1.env"; }
# compose_port <service> <setting>: its own, or the one that all have.
compose_port() {
    local own
    own=$(awk -v service="  $1:" '$0 == service { on = 1; next } /^  [a-z]/ { on = 0 } on' "$COMPOSE" | named "$2")
    [[ -n $own ]] || own=$(awk '/^x-settings:/ { on = 1; next } /^[^ ]/ { on = 0 } on' "$COMPOSE" | named "$2")
    printf '%s' "$own"
}
named() { sed -n "s/^ *$1: \"\([0-9]*\)\".*/\1/p"; }
# k8s_port <service> <setting>
k8s_port() {
    { cat "$ROOT/deploy/k8s/base/$1.yaml" "$ROOT/deploy/k8s/base/service.yaml"; } |
        sed -n "/name: $2\(,\|\$\)/{s/.*value: \"\([0-9]*\)\".*/\1/p;n;s/^ *value: \"\([0-9]*\)\".*/\1/p}" | head -n 1
}

cell() { printf ' %s |' "${1:-–}"; }
page() {
    local service setting what
    cat <<'TEXT'
# Ports

Made from the deployments (`tools/dev/ports_page.sh --write`), and a test holds it equal to them. What `./flowstack up` uses for development stands in `.run/env`.

| service | door | who calls it | one server | compose | Kubernetes |
|---|---|---|---|---|---|
TEXT
    for service in "${SERVICES[@]}"; do
        for setting in HTTP_PORT GRPC_PORT ADMIN_PORT; do
            [[ -n $(systemd_port "$service" "$setting") ]] || continue
            case $service/$setting in
                gateway/HTTP_PORT) what='the proxy: WhatsApp, REST' ;;
                payment/HTTP_PORT) what="the proxy: M-Pesa's callbacks" ;;
                */GRPC_PORT) what='the other services, flowctl' ;;
                *) what='probes, Prometheus, flowctl' ;;
            esac
            # shellcheck disable=SC2016  # Markdown's backquotes
            printf '| %s | `%s` | %s |' "$service" "$setting" "$what"
            cell "127.0.0.1:$(systemd_port "$service" "$setting")"
            cell "$(compose_port "$service" "$setting")"
            cell "$(k8s_port "$service" "$setting")"
            printf '\n'
        done
    done
    printf '| Caddy | | everybody | 80, 443 | %s | the ingress |\n' \
        "$(sed -n 's/^    ports: \["\([0-9]*\):[0-9]*", "\([0-9]*\):[0-9]*"\]/\1, \2/p' "$COMPOSE")"
    printf '| Kafka | | the services | 127.0.0.1:9092; its controller 9093 | %s | yours |\n' \
        "$(sed -n 's/^  KAFKA_BROKERS: [a-z]*:\([0-9]*\)$/\1/p' "$COMPOSE")"
    printf '| PostgreSQL | | the services, migrations, backups | 127.0.0.1:5432 | 5432 | yours |\n'
    cat <<'TEXT'

Only the proxy is reached from outside. gateway calls Meta, payment calls M-Pesa, both on 443; nobody else leaves the installation, but for Caddy's certificates. gRPC and admin doors
belong on the loopback, on the compose networks, or behind NetworkPolicies.
TEXT
}

if [[ ${1:-} == --write ]]; then
    page >"$ROOT/docs/ports.md"
elif ! diff -u "$ROOT/docs/ports.md" <(page); then
    echo "ports: run $0 --write" >&2
    exit 1
fi
