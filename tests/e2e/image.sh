#!/usr/bin/env bash
# The image `flowstack`: made twice it is the same; unpacked it starts every program as 65532 on a read-only root, and
# has neither a shell nor anything that another user could write.
#   image.sh <root of the repository> <folder of the programs>
# shellcheck disable=SC2317 # the functions are called by `expect`
set -euo pipefail
ROOT=$1
BIN=$2
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
# shellcheck source=tests/support/expect.sh
source "$ROOT/tests/support/expect.sh"

for out in first second; do
    "$ROOT/flowstack" image flowstack --no-build --from "$BIN" --out "$WORK/$out" --run-dir "$WORK/run" >"$WORK/$out.log" ||
        { cat "$WORK/$out.log"; exit 1; }
done
expect "the same twice" cmp "$WORK/first/flowstack.oci.tar" "$WORK/second/flowstack.oci.tar"

layout=$WORK/layout
mkdir "$layout"
tar -xf "$WORK/first/flowstack.oci.tar" -C "$layout"
# Every blob is named by its content.
blobs_hold() { (cd "$layout/blobs/sha256" && for blob in *; do sha256sum "$blob" | awk '$1 != $2 { exit 1 }' || return 1; done); }
expect "every blob has the digest that it is named by" blobs_hold
blob() { printf '%s/blobs/sha256/%s' "$layout" "${1#sha256:}"; }
member() { grep -o "\"$1\":\"[^\"]*\"" "$2" | head -n 1 | cut -d '"' -f 4; }
manifest=$(blob "$(member digest "$layout/index.json")")
expect "the digest beside the archive is the manifest's" \
    test "$(cat "$WORK/first/flowstack.digest")" = "sha256:$(basename "$manifest")"
config=$(blob "$(grep -o '"config":{[^}]*}' "$manifest" | grep -o 'sha256:[0-9a-f]*')")
layer=$(blob "$(grep -o '"layers":.*' "$manifest" | grep -o 'sha256:[0-9a-f]*' | head -n 1)")
expect "the layer's content is the one that the config names" \
    grep -q "$(gzip -dc "$layer" | sha256sum | cut -d ' ' -f 1)" "$config"
expect "runs as 65532" grep -q '"User":"65532:65532"' "$config"
for label in title version revision created licenses; do
    expect "label $label" grep -q "\"org.opencontainers.image.$label\":\"[^\"]" "$config"
done

tree=$WORK/tree
mkdir "$tree"
tar -xzf "$layer" -C "$tree" --no-same-owner
size=$(($(du -s --apparent-size --block-size=1 "$tree" | cut -f 1) >> 20))
expect "$size MiB unpacked, below 120" test "$size" -lt 120
for shell in sh bash dash busybox; do expect "no $shell" refuse test -e "$tree/bin/$shell"; done
expect "nothing that others may write" test -z "$(find "$tree" ! -type l -perm -o+w ! -path "$tree/tmp")"
expect "nothing set-user-id" test -z "$(find "$tree" -perm /6000)"
expect "the migrations" test -f "$tree/usr/share/flowstack/migrations/eventlog/0001_tables.sql"
expect "the manual of flowctl" grep -q '^\.TH FLOWCTL 1 ' "$tree/usr/share/man/man1/flowctl.1"
# The image's part of ICU's data, under the tests of all that asks ICU.
mkdir "$WORK/icu"
find "$tree/usr/lib" -name 'libicudata.so.*' -exec cp {} "$WORK/icu" \;
texts_hold() { LD_LIBRARY_PATH=$WORK/icu "$BIN/text_test" >"$WORK/text_test.log" 2>&1; }
expect "ICU's data is the part that is used" test "$(find "$WORK/icu" -size -6M -name 'libicudata.so.*' | wc -l)" = 1
expect "and enough for every test of texts" texts_hold
sbom=$tree/usr/share/flowstack/sbom.spdx.json
expect "the list of packages names libpq5" grep -q '"name":"libpq5"' "$sbom"
expect "the list of packages is JSON of SPDX" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
ids = {p["SPDXID"] for p in d["packages"]}
assert d["spdxVersion"] == "SPDX-2.3" and len(ids) == len(d["packages"]) > 10
assert {r["relatedSpdxElement"] for r in d["relationships"]} <= ids' "$sbom"

# A root that cannot be written, user 65532, and nothing of this machine's environment. Who is not root here has one
# user in a namespace of his own, and the programs run as that one.
namespace=(--mount) user=(--userspec=65532:65532)
if ((EUID != 0)); then
    namespace+=(--map-root-user)
    user=()
fi
run() {
    # shellcheck disable=SC2016
    unshare "${namespace[@]}" bash -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift &&
        exec env -i PATH=/usr/bin:/usr/sbin chroot "$@"' _ "$tree" "${user[@]}" "$tree" "$@"
}
if ! unshare "${namespace[@]}" true 2>/dev/null; then
    printf 'not tried: this machine lets nobody mount, so no program of the image was started\n'
    exit "$failed"
fi
version=$(sed -n 's/^project(flowstack VERSION \([0-9.]*\).*/\1/p' "$ROOT/CMakeLists.txt")
says() { [[ $(run "/usr/bin/$1" --version) == "$1 $version" ]]; }
helps() { [[ $(run "/usr/bin/$1" --help) == *Usage:* ]]; }
for program in flowstack-{gateway,conversation,payment,followup,campaign} flowctl; do
    expect "$program --version" says "$program"
    expect "$program --help" helps "$program"
done
# It starts, misses its settings and says which.
misses() { [[ $(run /usr/bin/flowstack-gateway 2>&1) == *DATABASE_URL*'must be set'* ]]; }
expect "a service without settings says what it lacks" misses
exit "$failed"
