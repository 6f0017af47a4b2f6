#!/usr/bin/env bash
# What is missing is named, and nothing pretends to work without it.
#
# usage: refusals.sh <folder of the built programs> <folder to work in>
set -Eeuo pipefail

BIN=$1
WORK=$2
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

rm -rf "${WORK:?}/bin" "${WORK:?}/packs"
mkdir -p "$WORK/bin" "$WORK/packs"
trap '"$ROOT/flowstack" down --wipe --run-dir "$WORK/run" >/dev/null 2>&1 </dev/null || true' EXIT

# refuses <what must be named> <command…>: it ends with another status than 0, and says that.
refuses() {
    local named=$1 status=0
    shift
    "$@" >"$WORK/output" 2>&1 </dev/null || status=$?
    if ((status == 0)) || ! grep -qF "$named" "$WORK/output"; then
        printf 'status %d, and "%s" should be named by: %s\n' "$status" "$named" "$*" >&2
        tail -n 40 "$WORK/output" >&2
        exit 1
    fi
    printf 'ok: names %s\n' "$named"
}

# A service whose program is not there.
ln -s "$BIN"/* "$WORK/bin/"
rm "$WORK/bin/flowstack-payment"
refuses flowstack-payment env FLOWSTACK_BIN_DIR="$WORK/bin" \
    "$ROOT/flowstack" demo --once --no-build --run-dir "$WORK/run"

# A pack whose data file is not there: the dialogue is data, and nobody has a copy of it in code.
cp "$ROOT"/services/conversation/packs/*.json "$WORK/packs/"
rm "$WORK/packs/ecommerce.json"
refuses "$WORK/packs/ecommerce.json" env PACKS_DIR="$WORK/packs" FLOWSTACK_BIN_DIR="$BIN" \
    "$ROOT/flowstack" demo --once --no-build --run-dir "$WORK/run"
