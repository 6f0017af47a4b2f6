#!/usr/bin/env bash
# fuzz_one.sh <program> <target> <seconds> <folder>: one target for a time, from the committed inputs
# and from what earlier nights found. A finding is made as small as it gets in half a minute and
# kept in <folder>/findings. Ends with 1 when there is one.
set -Eeuo pipefail

program=$1 target=$2 seconds=$3 folder=$4
committed=$(dirname "${BASH_SOURCE[0]}")/../../tests/fuzz/corpus/$target
work=$folder/corpus/$target
raw=$folder/findings/$target-raw-
mkdir -p "$work" "$folder/findings"

export FUZZ=$target
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-19 || true)
export ASAN_SYMBOLIZER_PATH

# A dictionary of the format's words is used where somebody wrote one.
options=(-timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -close_fd_mask=1)
dictionary=$(dirname "${BASH_SOURCE[0]}")/../../tests/fuzz/$target.dict
[[ ! -f $dictionary ]] || options+=("-dict=$dictionary")

printf '== %s\n' "$target"
if "$program" "${options[@]}" -max_total_time="$seconds" -artifact_prefix="$raw" "$work" "$committed"; then
    exit 0
fi
for file in "$raw"*; do
    [[ -f $file ]] || continue
    small=$folder/findings/$target-$(sha1sum <"$file" | cut -c 1-12)
    if [[ $file == *-raw-crash-* ]]; then
        "$program" "${options[@]}" -minimize_crash=1 -max_total_time=30 -exact_artifact_path="$small" \
            "$file" >/dev/null 2>&1 || true
    fi
    [[ -s $small ]] || cp "$file" "$small"
    rm -f "$file"
    printf '== %s: finding %s; again by: FUZZ=%s %s %s\n' "$target" "$small" "$target" "$program" "$small"
done
exit 1
