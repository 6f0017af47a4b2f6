#!/usr/bin/env bash
# deploy/systemd without a running systemd: the install script writes below another root, systemd-analyze reads the
# units there, the programs read the settings that the units would give them, and a stand-in for systemctl writes down
# in which order an upgrade does things.
#   systemd.sh <repository> <folder of the programs>
# Ends with 77, "skipped", where systemd-analyze is not installed.
# shellcheck disable=SC2317  # what expect() calls
set -euo pipefail
ROOT=$1 BIN=$2
EXPOSURE_MAX=2.0
SERVICES=(gateway conversation payment followup campaign)

if ! command -v systemd-analyze >/dev/null; then
    printf 'skipped: systemd-analyze is not here (package systemd, of tools/dev/packages.txt)\n'
    exit 77
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
# shellcheck source=tests/support/expect.sh
source "$ROOT/tests/support/expect.sh"
MACHINE=$WORK/machine
install_sh() { bash "$ROOT/deploy/systemd/install.sh" "$@" --root "$MACHINE" >>"$WORK/install.log" 2>&1; }

# ---- the first installation
mkdir -p "$WORK/jars"
: >"$WORK/jars/kafka-server-0.jar"
install_sh install --from "$BIN" --kafka "$WORK/jars" --release one || { cat "$WORK/install.log"; exit 1; }
expect "current leads to the release" test -x "$MACHINE/opt/flowstack/current/bin/flowstack-gateway"
expect "the migrations are with it" test -f "$MACHINE/opt/flowstack/current/share/migrations/eventlog/0001_tables.sql"
expect "the manual of flowctl is with it" grep -q '^\.TH FLOWCTL 1 ' "$MACHINE/opt/flowstack/current/share/man/man1/flowctl.1"
expect "only root reads secrets" test -z "$(find "$MACHINE/etc/flowstack/secrets" ! -perm 0700 ! -perm 0600)"
cp -r "$MACHINE/etc/flowstack" "$WORK/etc.before"

# ---- the units
units=()
for unit in "$MACHINE"/usr/lib/systemd/system/flowstack-*.service; do units+=("$(basename "$unit")"); done
expect "five services, their migrations and Kafka are units" test "${#units[@]}" -eq 7
# What the units name beside themselves, as a Debian has it.
for name in network-online.target network.target postgresql.service multi-user.target basic.target sysinit.target \
    shutdown.target systemd-journald@.socket systemd-journald-varlink@.socket systemd-journald@.service; do
    [[ -e $MACHINE/usr/lib/systemd/system/$name ]] || case $name in
        *.service) printf '[Service]\nExecStart=/bin/true\n' ;;
        *.socket) printf '[Socket]\nListenStream=/run/%%i\n' ;;
        *) printf '[Unit]\n' ;;
    esac >"$MACHINE/usr/lib/systemd/system/$name"
done
mkdir -p "$MACHINE/usr/bin" "$MACHINE/bin"
cp /bin/true "$MACHINE/bin/true"
cp /bin/true "$MACHINE/usr/bin/java" # verify wants every program to exist
analyze() { SYSTEMD_LOG_COLOR=0 systemd-analyze --no-pager "$1" --root="$MACHINE" "${@:2}" 2>&1; }
verify() {
    analyze verify --man=no flowstack.target "${units[@]}" | grep -v 'Failed to create user manager\|SO_PASSCRED' >"$WORK/verify.log" || true
    cat "$WORK/verify.log"
    [[ ! -s $WORK/verify.log ]]
}
expect "systemd-analyze verify finds nothing" verify
exposure() { analyze security --offline=true "$1" | sed -n 's/^→ Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p'; }
below() { awk -v value="$1" -v limit="$EXPOSURE_MAX" 'BEGIN { exit !(value != "" && value + 0 < limit) }'; }
for unit in "${units[@]}"; do
    value=$(exposure "$unit")
    expect "exposure of $unit: ${value:-none}, below $EXPOSURE_MAX" below "$value"
done
# The check can fail: without the common drop-in every unit is far above.
mv "$MACHINE/usr/lib/systemd/system/flowstack-.service.d" "$WORK/dropin"
expect "without its hardening a unit is found ($(exposure flowstack-gateway.service))" \
    refuse below "$(exposure flowstack-gateway.service)"
mv "$WORK/dropin" "$MACHINE/usr/lib/systemd/system/flowstack-.service.d"
printf 'ExecStart=/nowhere\nNoSuchSetting=1\n' >>"$MACHINE/usr/lib/systemd/system/flowstack-followup.service"
verify_quietly() { verify >/dev/null; }
expect "a wrong line is found" refuse verify_quietly
install -m 644 "$ROOT/deploy/systemd/units/flowstack-followup.service" "$MACHINE/usr/lib/systemd/system/"

# ---- users and folders, as systemd would make them
if command -v systemd-sysusers >/dev/null && [[ $EUID -eq 0 ]]; then
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$MACHINE/etc/passwd"
    printf 'root:x:0:\n' >"$MACHINE/etc/group"
    sysusers() { systemd-sysusers --root="$MACHINE" flowstack.conf >>"$WORK/install.log" 2>&1; }
    expect "systemd-sysusers makes the users" sysusers
    for service in "${SERVICES[@]}" migrate kafka; do
        expect "the user flowstack-$service" grep -q "^flowstack-$service:.*nologin" "$MACHINE/etc/passwd"
    done
    chmod 644 "$MACHINE/etc/flowstack/secrets/master-key"
    tmpfiles() { systemd-tmpfiles --root="$MACHINE" --create flowstack.conf >>"$WORK/install.log" 2>&1; }
    expect "systemd-tmpfiles runs" tmpfiles
    expect "and closes a secret that was opened" test "$(stat -c %a "$MACHINE/etc/flowstack/secrets/master-key")" = 600
fi

# ---- the settings: each program reads what its unit gives it
# given <unit>: NAME=value lines, with the credentials where they lie now.
given() {
    local unit=$MACHINE/usr/lib/systemd/system/$1 file
    sed -n 's/^EnvironmentFile=//p' "$unit" | while IFS= read -r file; do grep -vE '^(#|$)' "$MACHINE$file"; done
    sed -n 's/^LoadCredential=\([^:]*\):\(.*\)/\1 \2/p' "$unit" | while read -r id file; do
        sed -n "s|^Environment=\(.*\)=%d/$id\$|\1=$MACHINE$file|p" "$unit"
    done
    sed -n 's/^Environment=\([^%]*\)$/\1/p' "$unit"
}
reads() {
    local variables
    mapfile -t variables < <(given "flowstack-$1.service")
    # PACKS_DIR and the like name the installed machine.
    env -i "${variables[@]}" "$BIN/flowstack-$1" --print-config >"$WORK/$1.config" 2>&1 || { cat "$WORK/$1.config"; return 1; }
}
for service in "${SERVICES[@]}"; do
    expect "flowstack-$service takes its settings" reads "$service"
    expect "no secret of flowstack-$service is printed" \
        refuse grep -qF "$(cat "$MACHINE/etc/flowstack/secrets/internal-key")" "$WORK/$service.config"
done
names() { given flowstack-migrate.service | grep -c '_MIGRATE_URL_FILE='; }
expect "the migrations get five owners" test "$(names)" -eq 5
# flowctl finds its services (none of them runs: 7) and their key.
sed -i "s|=/etc/flowstack|=$MACHINE/etc/flowstack|" "$MACHINE/etc/flowstack/flowctl.env"
flowctl_status() {
    local status=0
    env -i "$BIN/flowctl" --env-file "$MACHINE/etc/flowstack/flowctl.env" status >"$WORK/flowctl.log" 2>&1 || status=$?
    [[ $status == 7 ]] || { cat "$WORK/flowctl.log"; return 1; }
}
expect "flowctl knows where the services would be" flowctl_status
ports() { cat "$ROOT"/deploy/systemd/etc/*.env | sed -n 's/^[A-Z_]*PORT=//p' | sort; }
expect "no port is given twice" test -z "$(ports | uniq -d)"

# ---- the libraries
# The packages that the programs' libraries came from: they and no others, beside the data packages.
library_packages() {
    local program library path known
    known=$(ldconfig -p)
    for program in "${SERVICES[@]/#/flowstack-}" flowctl; do
        readelf -d "$BIN/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
    done | sort -u | while IFS= read -r library; do
        path=$(awk -v name="$library" '$1 == name { print $NF; exit }' <<<"$known")
        path=$(readlink -f "$path")
        dpkg -S "$path" 2>/dev/null || dpkg -S "${path#/usr}"
    done | cut -d : -f 1 | grep -vx libc6 | sort -u
}
listed() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$ROOT/deploy/systemd/packages.txt" | grep -vxE 'ca-certificates|tzdata' | sort -u; }
expect "packages.txt names the libraries' packages" diff <(listed) <(library_packages)

# ---- upgrade, rollback, uninstall; systemctl is a program that writes down what it is asked
cat >"$WORK/systemctl" <<'SH'
#!/usr/bin/env bash
[[ "$*" == *is-active* ]] || printf '%s\n' "$*" >>"$CALLS"
SH
cat >"$WORK/probe" <<'SH'
#!/usr/bin/env bash
[[ $1 != "${ILL:-}" || $(readlink "$MACHINE/opt/flowstack/current") != "releases/${ILL_RELEASE:-}" ]]
SH
chmod +x "$WORK/systemctl" "$WORK/probe"
export CALLS=$WORK/calls FLOWSTACK_SYSTEMCTL=$WORK/systemctl FLOWSTACK_PROBE=$WORK/probe FLOWSTACK_READY_SECONDS=0 MACHINE
current() { readlink "$MACHINE/opt/flowstack/current"; }
: >"$CALLS"
printf 'LOG_LEVEL=debug\n' >>"$MACHINE/etc/flowstack/common.env"
expect "an upgrade" install_sh install --from "$BIN" --kafka "$WORK/jars" --release two
expect "leads to the new release" test "$(current)" = releases/two
in_order() {
    diff <(printf '%s\n' daemon-reload 'restart flowstack-kafka.service' 'restart flowstack-migrate.service' \
        'restart flowstack-conversation.service' 'restart flowstack-payment.service' 'restart flowstack-followup.service' \
        'restart flowstack-campaign.service' 'restart flowstack-gateway.service') "$CALLS"
}
expect "new jars of Kafka, migrations, then one service after another" in_order
expect "what the operator wrote stays" grep -qx LOG_LEVEL=debug "$MACHINE/etc/flowstack/common.env"
expect "the keys stay" cmp -s "$MACHINE/etc/flowstack/secrets/master-key" "$WORK/etc.before/secrets/master-key"
ill_upgrade() { ILL=payment ILL_RELEASE=three install_sh install --from "$BIN" --release three; }
expect "an upgrade whose payment does not become ready fails" refuse ill_upgrade
expect "and the release before is back" test "$(current)" = releases/two
expect "rollback" install_sh rollback
expect "leads to the release before" test "$(current)" = releases/one
no_release() { install_sh install --from "$WORK/nothing"; }
expect "without programs it refuses" refuse no_release
for name in four five six seven; do install_sh install --from "$BIN" --release "$name"; done
expect "old releases go" test "$(find "$MACHINE/opt/flowstack/releases" -mindepth 1 -maxdepth 1 | wc -l)" -le 4
expect "uninstall" install_sh uninstall
expect "no unit is left" test -z "$(find "$MACHINE/usr/lib" -name '*flowstack*')"
expect "secrets are left" test -s "$MACHINE/etc/flowstack/secrets/master-key"
expect "uninstall --purge" install_sh uninstall --purge
expect "nothing is left" test ! -e "$MACHINE/etc/flowstack"
exit "$failed"
