#!/bin/sh
# Makes state/ beside compose.yaml: random secrets and the data folders, for the user 65532 that the containers run as. What is
# there already stays. As root, or with rootless podman: podman unshare ./prepare.sh
#   prepare.sh [folder]
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd -P)
state=${1:-$here/state}
user=65532

random_hex() { od -An -vtx1 -N "$1" /dev/urandom | tr -d ' \n'; }
secret() { # secret <name>: stdin, unless it is there
    if [ -s "$state/secrets/$1" ]; then cat >/dev/null; else cat >"$state/secrets/$1"; fi
}

mkdir -p "$state/secrets" "$state/postgres" "$state/kafka" "$state/media" "$state/caddy/data" "$state/caddy/config"
for name in internal-key admin-key master-key master-key-other; do random_hex 32 | secret "$name"; done
for name in postgres-password meta-verify-token; do random_hex 16 | secret "$name"; done
# Nobody signs with this app: no webhook is believed until your own stands here, as app_id:app_secret.
printf '0:%s\n' "$(random_hex 16)" | secret meta-apps
password=$(cat "$state/secrets/postgres-password")
for service in gateway conversation payment followup campaign; do
    printf 'postgresql://flowstack_service:%s@postgres:5432/flowstack_%s\n' "$password" "$service" | secret "$service-database-url"
    printf 'postgresql://postgres:%s@postgres:5432/flowstack_%s\n' "$password" "$service" | secret "$service-owner-url"
done
chown -R "$user:$user" "$state"
chmod 700 "$state/postgres" "$state/kafka" "$state/media" "$state/caddy"
echo "state is in $state; keep a copy of secrets/master-key and master-key-other elsewhere"
