# shellcheck shell=bash
# The addresses and keys of the running stack, for the examples: `./flowstack up` writes them.
CACHE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.cache/examples
mkdir -p "$CACHE"
set -a
# shellcheck disable=SC1091
. "${FLOWSTACK_RUN_DIR:-$(dirname "${BASH_SOURCE[0]}")/../.run}/env"
# One replica is enough here; a program of yours balances over all of them.
# shellcheck disable=SC2034,SC2153
GATEWAY_GRPC=$GATEWAY_0_GRPC PAYMENT_GRPC=$PAYMENT_0_GRPC
set +a
