#!/usr/bin/env bash
# Backup and restore of the one PostgreSQL cluster that holds the five logs, by PostgreSQL's own means: base backups, its WAL
# as it is written (pg_receivewal), and a restore to the newest moment or to a point in time. docs/backup.md is the way;
# tests/deploy/backup.sh plays it.
#
#   backup.sh receive                  takes the WAL as it is written, for ever; started by a service manager
#   backup.sh base                     a base backup of the running cluster, verified
#   backup.sh restore --to DIR [--time TIME] [--base NAME]
#                                      makes a data folder that becomes the cluster at that time (any time that
#                                      PostgreSQL reads, e.g. '2026-11-29 18:16:17.5+00'; the newest unless given)
#   backup.sh prune --keep N           forgets older base backups, and the WAL that only they need
#   backup.sh list
#
# BACKUP_DIR (/var/backups/flowstack) holds base/ and wal/; it belongs on another disk, and to another place from there.
# The cluster is found by libpq's own variables (PGHOST, PGPORT, PGUSER). PG_BIN: /usr/lib/postgresql/15/bin.
set -Eeuo pipefail
umask 077

BACKUP_DIR=${BACKUP_DIR:-/var/backups/flowstack}
PG_BIN=${PG_BIN:-/usr/lib/postgresql/15/bin}

fail() {
    printf 'backup: %s\n' "$*" >&2
    exit 1
}
usage() {
    sed -n '/^#   backup.sh receive/,/^#   backup.sh list/s/^# \{0,3\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

SLOT=flowstack_wal # PostgreSQL keeps what the receiver has not taken

# Each write is on this disk before it is confirmed, so a commit that waits for it (synchronous_standby_names =
# 'pg_receivewal') is never lost. It tries again for ever when the cluster is away, also after a restore.
receive() {
    local receiver=''
    mkdir -p "$BACKUP_DIR/wal"
    trap '[[ -z $receiver ]] || kill "$receiver" 2>/dev/null || true; exit 0' TERM INT
    while true; do
        # A restored cluster has no slot.
        if "$PG_BIN/pg_receivewal" --slot="$SLOT" --create-slot --if-not-exists; then
            "$PG_BIN/pg_receivewal" --directory="$BACKUP_DIR/wal" --slot="$SLOT" --synchronous --no-loop &
            receiver=$!
            wait "$receiver" || true
            receiver=''
        fi
        sleep 1 &
        wait $!
    done
}

base() {
    local name
    name=$(date -u +%Y%m%dT%H%M%SZ)
    mkdir -p "$BACKUP_DIR/base"
    rm -rf "$BACKUP_DIR"/base/*.new
    "$PG_BIN/pg_basebackup" --pgdata="$BACKUP_DIR/base/$name.new" --format=plain --wal-method=stream \
        --checkpoint=fast --label="flowstack $name"
    "$PG_BIN/pg_verifybackup" --quiet "$BACKUP_DIR/base/$name.new"
    # Only a whole backup gets the name.
    date -u +%s >"$BACKUP_DIR/base/$name.new/flowstack_backup_ended"
    mv "$BACKUP_DIR/base/$name.new" "$BACKUP_DIR/base/$name"
    printf '%s\n' "$name"
}

bases() { find "$BACKUP_DIR/base" -mindepth 1 -maxdepth 1 -name '*Z' -printf '%f\n' 2>/dev/null | sort; }

# The newest base backup that had ended by then: a cluster cannot be restored to a time within its own backup.
base_before() {
    local name newest='' until
    until=$(date -d "$1" +%s) || fail "--time is no time: $1"
    while IFS= read -r name; do
        (($(cat "$BACKUP_DIR/base/$name/flowstack_backup_ended") <= until)) && newest=$name
    done < <(bases)
    [[ -n $newest ]] || fail "no base backup had ended by $1; there are: $(bases | xargs)"
    printf '%s' "$newest"
}

restore() {
    local to='' time='' name=''
    while (($# > 0)); do
        [[ -n ${2:-} ]] || usage
        case $1 in
            --to) to=$2 ;;
            --time) time=$2 ;;
            --base) name=$2 ;;
            *) usage ;;
        esac
        shift 2
    done
    [[ -n $to ]] || usage
    [[ ! -e $to || -z $(ls -A "$to") ]] || fail "$to is not empty: move the old cluster away and keep it"
    if [[ -z $name && -n $time ]]; then name=$(base_before "$time"); fi
    name=${name:-$(bases | tail -n 1)}
    [[ -d $BACKUP_DIR/base/$name ]] || fail "there is no base backup '$name' in $BACKUP_DIR/base"
    "$PG_BIN/pg_verifybackup" --quiet --ignore=flowstack_backup_ended "$BACKUP_DIR/base/$name"
    mkdir -p "$to"
    cp -a "$BACKUP_DIR/base/$name/." "$to/"
    rm -f "$to/flowstack_backup_ended"
    chmod 700 "$to"
    {
        # The segment that was being written when the cluster ended is there in part.
        printf "restore_command = 'cp \"%s/wal/%%f\" \"%%p\" || cp \"%s/wal/%%f.partial\" \"%%p\"'\n" "$BACKUP_DIR" "$BACKUP_DIR"
        [[ -z $time ]] || printf "recovery_target_time = '%s'\n" "$time"
        printf "recovery_target_action = 'promote'\n"
    } >>"$to/postgresql.auto.conf"
    : >"$to/recovery.signal"
    printf 'restored from %s: start PostgreSQL on %s, and it becomes the cluster of: %s\n' "$name" "$to" \
        "${time:-the newest moment}"
}

prune() {
    local keep=$2 name first=''
    [[ $1 == --keep && $keep =~ ^[1-9][0-9]*$ ]] || usage
    while IFS= read -r name; do
        rm -rf "${BACKUP_DIR:?}/base/$name"
        printf 'forgot %s\n' "$name"
    done < <(bases | head -n "-$keep")
    name=$(bases | head -n 1)
    [[ -n $name ]] || return 0
    first=$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$BACKUP_DIR/base/$name/backup_label")
    [[ -n $first ]] || fail "$BACKUP_DIR/base/$name has no backup_label"
    "$PG_BIN/pg_archivecleanup" "$BACKUP_DIR/wal" "$first"
}

list() {
    local name
    while IFS= read -r name; do
        printf '%s  ended %s, %s\n' "$name" "$(date -u -d "@$(cat "$BACKUP_DIR/base/$name/flowstack_backup_ended")" +%FT%TZ)" \
            "$(du -sh "$BACKUP_DIR/base/$name" | cut -f 1)"
    done < <(bases)
    printf '%s segments of WAL\n' "$(find "$BACKUP_DIR/wal" -type f 2>/dev/null | wc -l)"
}

command=${1:-}
(($# == 0)) || shift
case $command in
    receive) receive ;;
    base) base ;;
    restore) restore "$@" ;;
    prune) [[ $# -eq 2 ]] || usage; prune "$@" ;;
    list) list ;;
    *) usage ;;
esac
