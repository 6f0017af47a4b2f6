#!/usr/bin/env bash
# The demo's purchases and bookings, start to end, and what they leave: every step right, and read models that a
# rebuild would make again.
#
# usage: demo.sh <folder of the built programs> <folder to work in>
set -Eeuo pipefail

export FLOWSTACK_BIN_DIR=$1 FLOWSTACK_RUN_DIR=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mkdir -p "$FLOWSTACK_RUN_DIR"
trap './flowstack down --wipe >/dev/null 2>&1 </dev/null || true' EXIT

./flowstack down --wipe
./flowstack up --no-build
./flowstack demo --once --no-build
./flowstack demo --once --no-build --channel twilio
./flowstack demo --once --no-build --pay card
./flowstack demo --once --no-build --pack booking
./flowstack demo --once --no-build --pack booking --channel twilio
./flowstack compare-read-models

# A document that is not what the logs say is found.
database=$(sed -n 's/^PAYMENT_MIGRATE_URL=//p' "$FLOWSTACK_RUN_DIR/env")
/usr/lib/postgresql/15/bin/psql -X -q -v ON_ERROR_STOP=1 "$database" \
    -c "update read_model set state = 'EXPIRED' where kind = 'payment'"
if ./flowstack compare-read-models; then
    echo "a changed document was not found" >&2
    exit 1
fi
