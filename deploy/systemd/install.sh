#!/usr/bin/env bash
# FlowStack on one Debian 12 server under systemd: installs, upgrades, goes back, uninstalls. docs/install_one_server.md
# says what goes around it (PostgreSQL, TLS, firewall).
#
#   install.sh install   [--root DIR] [--from DIR] [--kafka DIR] [--release NAME]
#   install.sh rollback  [--root DIR]
#   install.sh uninstall [--root DIR] [--purge]
#
#   --root DIR     the machine's root, / unless given. Below another one only files are written: no user is made and
#                  nothing is started, unless FLOWSTACK_SYSTEMCTL names a program that stands in for systemctl
#   --from DIR     the programs: build/release/bin of this clone (./flowstack build makes it with
#                  FLOWSTACK_BUILD=release), or a tree that `./flowstack image flowstack --root DIR` made
#   --kafka DIR    the jars of one Kafka node, as ./flowstack fetches them into .cache/kafka/libs; with them the unit
#                  flowstack-kafka is installed
#   --release NAME the folder below /opt/flowstack/releases; the version and the commit unless given
#   --purge        settings, secrets and Kafka's data go too. PostgreSQL's databases are never touched
#
# `install` on a machine that has FlowStack is the upgrade: migrations first, under which the release before goes on,
# then one service after another, each when the one before is ready. When a step fails the release before is put back.
set -Eeuo pipefail
umask 022

HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
CLONE=$(cd "$HERE/../.." && pwd -P)
SERVICES=(conversation payment followup campaign gateway) # gateway last: it asks the others
RELEASES_KEPT=3
READY_SECONDS=${FLOWSTACK_READY_SECONDS:-120}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}
usage() {
    sed -n '/^#   install/,/^#   --purge/s/^# \{0,3\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

command=${1:-}
(($# == 0)) || shift
root=/ from='' kafka='' release='' purge=no
while (($# > 0)); do
    case $1 in
        --root | --from | --kafka | --release)
            [[ -n ${2:-} ]] || usage
            case $1 in
                --root) root=$2 ;;
                --from) from=$2 ;;
                --kafka) kafka=$2 ;;
                --release) release=$2 ;;
            esac
            shift ;;
        --purge) purge=yes ;;
        *) usage ;;
    esac
    shift
done
root=$(realpath -m "$root")
[[ $root != / ]] || root=''
HOME_DIR=$root/opt/flowstack
ETC=$root/etc/flowstack
UNITS=$root/usr/lib/systemd/system

# Whether services are started here: on the machine itself, or by the stand-in of a test.
lives() { [[ -z $root || -n ${FLOWSTACK_SYSTEMCTL:-} ]]; }
systemctl_do() { "${FLOWSTACK_SYSTEMCTL:-systemctl}" "$@"; }
is_active() { systemctl_do --quiet is-active "$1"; }

# ---- files

release_name() {
    local version commit
    version=$(sed -n 's/^project(flowstack VERSION \([0-9.]*\).*/\1/p' "$CLONE/CMakeLists.txt")
    commit=$(git -C "$CLONE" rev-parse --short=12 HEAD 2>/dev/null) || commit=unknown
    printf '%s-%s' "$version" "$commit"
}

# The programs and what they read, in a folder of their own: a release is whole or not there.
copy_release() {
    local target=$HOME_DIR/releases/$release bin=$from share=$CLONE packs program
    packs=$CLONE/services/conversation/packs
    if [[ -d $from/usr/share/flowstack ]]; then # a tree of `./flowstack image`
        bin=$from/usr/bin share=$from/usr/share/flowstack packs=$from/usr/share/flowstack/packs
    fi
    rm -rf "$target.new"
    mkdir -p "$target.new/bin" "$target.new/share"
    for program in flowctl "${SERVICES[@]/#/flowstack-}"; do
        [[ -x $bin/$program ]] || fail "$bin/$program is missing: FLOWSTACK_BUILD=release ./flowstack build"
        install -m 755 "$bin/$program" "$target.new/bin/$program"
    done
    cp -r "$share/migrations" "$packs" "$target.new/share/"
    # A flowctl that does not start lacks libraries, which are named at the end.
    mkdir -p "$target.new/share/man/man1"
    "$target.new/bin/flowctl" manual >"$target.new/share/man/man1/flowctl.1" 2>/dev/null || rm -r "$target.new/share/man"
    chmod -R u=rwX,go=rX "$target.new"
    rm -rf "$target"
    mv "$target.new" "$target"
}

# What the dynamic loader does not find on the machine that the programs are to run on.
check_libraries() {
    local missing packages
    [[ -z $root ]] || return 0
    packages=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$HERE/packages.txt" | xargs)
    missing=$(ldd "$HOME_DIR/releases/$release"/bin/* 2>/dev/null | sed -n 's/^[[:space:]]*\([^ ]*\) => not found/\1/p' | sort -u | xargs)
    [[ -z $missing ]] || fail "this machine lacks $missing; install them: apt-get install $packages"
}

copy_kafka() {
    [[ -n $kafka ]] || return 0
    compgen -G "$kafka/kafka-server-*.jar" >/dev/null || compgen -G "$kafka/kafka_*.jar" >/dev/null ||
        fail "$kafka has no jars of Kafka: ./flowstack image flowstack-kafka, or ./flowstack up, fetches them into .cache/kafka/libs"
    rm -rf "$HOME_DIR/kafka.new"
    mkdir -p "$HOME_DIR/kafka.new/libs"
    cp "$kafka"/*.jar "$HOME_DIR/kafka.new/libs/"
    cp "$CLONE/deploy/kafka/log4j2.properties" "$HOME_DIR/kafka.new/"
    chmod -R u=rwX,go=rX "$HOME_DIR/kafka.new"
    rm -rf "$HOME_DIR/kafka"
    mv "$HOME_DIR/kafka.new" "$HOME_DIR/kafka"
    sed -e 's|@PORT@|9092|g' -e 's|@CONTROLLER_PORT@|9093|g' -e 's|@DATA_DIR@|/var/lib/flowstack-kafka/data|g' \
        "$CLONE/deploy/kafka/server.properties.in" | new_file "$ETC/kafka.properties" 644
}

# Units of the release replace those of the one before; changes of one's own belong into drop-ins in /etc.
copy_units() {
    local unit
    mkdir -p "$UNITS" "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d" "$root/etc/systemd"
    for unit in "$HERE"/units/*; do
        [[ $(basename "$unit") != flowstack-kafka.service* || -d $HOME_DIR/kafka ]] || continue
        if [[ -d $unit ]]; then
            mkdir -p "$UNITS/$(basename "$unit")"
            install -m 644 "$unit"/*.conf "$UNITS/$(basename "$unit")/"
        else
            install -m 644 "$unit" "$UNITS/"
        fi
    done
    install -m 644 "$HERE/sysusers.d/flowstack.conf" "$root/usr/lib/sysusers.d/flowstack.conf"
    install -m 644 "$HERE/tmpfiles.d/flowstack.conf" "$root/usr/lib/tmpfiles.d/flowstack.conf"
    new_file "$root/etc/systemd/journald@flowstack.conf" 644 <"$HERE/etc/journald@flowstack.conf"
}

# new_file <path> <mode>: stdin, unless the file is there: what an operator has written stays.
new_file() {
    if [[ -e $1 ]]; then
        cat >/dev/null
    else
        (umask 077 && cat >"$1.new")
        chmod "$2" "$1.new"
        mv "$1.new" "$1"
    fi
}

random_hex() { od -An -vtx1 -N "$1" /dev/urandom | tr -d ' \n'; }

# Settings, and random secrets at the first time. Until the operator writes his own app into meta-apps, no webhook is
# believed: nobody signs with the one that stands there.
write_settings() {
    local file service password owner
    mkdir -p "$ETC"
    install -d -m 700 "$ETC/secrets"
    for file in "$HERE"/etc/*.env; do
        # shellcheck disable=SC2094  # two files of one name
        new_file "$ETC/$(basename "$file")" 644 <"$file"
    done
    for file in internal-key admin-key master-key master-key-other; do
        random_hex 32 | new_file "$ETC/secrets/$file" 600
    done
    random_hex 16 | new_file "$ETC/secrets/meta-verify-token" 600
    printf '0:%s\n' "$(random_hex 16)" | new_file "$ETC/secrets/meta-apps" 600
    [[ ! -e $ETC/secrets/databases.sql ]] || return 0
    password=$(random_hex 16) owner=$(random_hex 16)
    for service in "${SERVICES[@]}"; do
        printf 'postgresql://flowstack_service:%s@127.0.0.1:5432/flowstack_%s\n' "$password" "$service" |
            new_file "$ETC/secrets/$service.database-url" 600
        printf 'postgresql://flowstack_owner:%s@127.0.0.1:5432/flowstack_%s\n' "$owner" "$service" |
            new_file "$ETC/secrets/$service.owner-url" 600
    done
    # The owner makes the schema; the services' role can append to it and not change it.
    {
        printf "create role flowstack_service login password '%s';\n" "$password"
        printf "create role flowstack_owner login password '%s';\n" "$owner"
        printf 'create database flowstack_%s owner flowstack_owner;\n' "${SERVICES[@]}"
    } | new_file "$ETC/secrets/databases.sql" 600
}

# switch <release>: what `current` is, at once and for all.
switch() {
    ln -sfn "releases/$1" "$HOME_DIR/current.new"
    mv -T "$HOME_DIR/current.new" "$HOME_DIR/current"
}
current_release() { basename "$(readlink "$HOME_DIR/current" 2>/dev/null)" 2>/dev/null || true; }

forget_old_releases() {
    local old
    while IFS= read -r old; do
        [[ $old == "$(current_release)" || $old == "$(cat "$HOME_DIR/previous" 2>/dev/null)" ]] ||
            rm -rf "${HOME_DIR:?}/releases/$old"
    done < <(find "$HOME_DIR/releases" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' | sort -rn | tail -n "+$((RELEASES_KEPT + 1))" | cut -d ' ' -f 2-)
}

# ---- services

# ready <service>: GET /readyz of its admin door says 200.
ready() {
    local port
    if [[ -n ${FLOWSTACK_PROBE:-} ]]; then
        "$FLOWSTACK_PROBE" "$1"
        return
    fi
    port=$(sed -n 's/^ADMIN_PORT=//p' "$ETC/$1.env" | tail -n 1)
    # shellcheck disable=SC2016  # expanded by the inner bash
    timeout 3 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" >&3
        read -r -u 3 _ status _ && [[ $status == 200 ]]' _ "$port" 2>/dev/null
}

# restart <service>: SIGTERM, its draining, the new program, and wait until it is ready.
restart() {
    local until=$((SECONDS + READY_SECONDS))
    say "  flowstack-$1"
    systemctl_do restart "flowstack-$1.service" || return 1
    until ready "$1"; do
        ((SECONDS < until)) || {
            say "  flowstack-$1 is not ready after $READY_SECONDS s: journalctl --namespace=flowstack -u flowstack-$1" >&2
            return 1
        }
        sleep 0.5
    done
}

restart_all() {
    local service
    for service in "${SERVICES[@]}"; do
        restart "$service" || return 1
    done
}

make_users() {
    [[ -z $root ]] || return 0
    systemd-sysusers flowstack.conf
    systemd-tmpfiles --create flowstack.conf
}

install_release() {
    local before
    [[ -n $from ]] || from=$CLONE/build/release/bin
    [[ -d $from ]] || fail "$from is not there: FLOWSTACK_BUILD=release ./flowstack build, or --from"
    release=${release:-$(release_name)}
    [[ $release =~ ^[A-Za-z0-9._-]+$ ]] || fail "--release wants letters, digits, dots and dashes: $release"
    before=$(current_release)
    [[ $before != "$release" ]] || release+=-$(date -u +%Y%m%d%H%M%S)
    mkdir -p "$HOME_DIR/releases"
    copy_release
    check_libraries
    write_settings
    copy_kafka
    copy_units
    make_users
    switch "$release"
    ! lives || systemctl_do daemon-reload
    # Its jars were exchanged under it. The services go on without the bus meanwhile.
    if [[ -n $kafka ]] && lives && is_active flowstack-kafka.service; then
        systemctl_do restart flowstack-kafka.service
    fi
    say "installed $release${before:+, before it $before}"
    if lives && [[ -n $before ]] && is_active flowstack.target; then
        say "upgrading: migrations, then one service after another"
        if ! systemctl_do restart flowstack-migrate.service || ! restart_all; then
            say "going back to $before" >&2
            switch "$before"
            restart_all || true
            fail "$release did not come up; $before is back. The schema stays as it is: it serves both"
        fi
        say "upgraded to $release"
    fi
    [[ -z $before ]] || printf '%s\n' "$before" >"$HOME_DIR/previous"
    forget_old_releases
}

rollback() {
    local now before
    now=$(current_release)
    before=$(cat "$HOME_DIR/previous" 2>/dev/null) || fail "there is no release before ${now:-this one}"
    [[ -d $HOME_DIR/releases/$before ]] || fail "$HOME_DIR/releases/$before is not there any more"
    switch "$before"
    printf '%s\n' "$now" >"$HOME_DIR/previous"
    say "back to $before; the schema stays as it is"
    ! lives || ! is_active flowstack.target || restart_all || fail "$before did not come up"
}

uninstall() {
    if lives; then
        systemctl_do disable --now flowstack.target flowstack-kafka.service 2>/dev/null || true
        systemctl_do stop 'flowstack-*.service' || true
    fi
    rm -rf "${HOME_DIR:?}" "$UNITS"/flowstack.target "$UNITS"/flowstack-*.service "$UNITS"/flowstack-*.service.d \
        "$root"/usr/lib/{sysusers.d,tmpfiles.d}/flowstack.conf
    if [[ $purge == yes ]]; then
        rm -rf "${ETC:?}" "$root/etc/systemd/journald@flowstack.conf" "$root/var/lib/flowstack-kafka"
        say "removed with its settings and secrets; the databases are PostgreSQL's and still there"
    else
        say "removed; settings and secrets are still in $ETC, the databases in PostgreSQL"
    fi
    ! lives || systemctl_do daemon-reload
}

case $command in
    install | rollback | uninstall)
        [[ -n $root || $EUID -eq 0 ]] || fail "only root can change this machine (--root DIR tries it elsewhere)" ;;
esac
case $command in
    install) install_release ;;
    rollback) rollback ;;
    uninstall) uninstall ;;
    *) usage ;;
esac
