#!/usr/bin/env bash
# A flame graph of what runs: tools/dev/flamegraph.sh OUT.svg SECONDS TITLE PID…
#
# Needs the Debian packages linux-perf and libdevel-nytprof-perl (its flamegraph.pl draws). Stacks are unwound from
# the binaries' own tables, so an everyday build will do.
set -euo pipefail

(($# >= 4)) || { sed -n 2,6p "$0" >&2; exit 2; }
out=$1 seconds=$2 title=$3
shift 3
pids=$(IFS=,; printf '%s' "$*")
draw=/usr/share/perl5/Devel/NYTProf/flamegraph.pl
[[ -r $draw ]] || { echo "$draw is missing: apt-get install linux-perf libdevel-nytprof-perl" >&2; exit 1; }
data=$(mktemp)
trap 'rm -f "$data"' EXIT
perf record -q -F 199 --call-graph dwarf,16384 -p "$pids" -o "$data" -- sleep "$seconds" >/dev/null
# Writes one line for each stack, outermost first, with how often it was seen. A thread's name is its root.
perf script --no-inline -i "$data" -F comm,ip,sym 2>/dev/null | awk '
    /^[^ \t]/ { name = $0; sub(/[ \t]+$/, "", name); depth = 0; next }
    NF == 0   { if (depth) { line = name; for (i = depth; i > 0; --i) line = line ";" frame[i]; ++seen[line] } depth = 0; next }
              { sub(/^[ \t]*[0-9a-f]+ /, ""); gsub(/;/, ":"); frame[++depth] = $0 }
    END       { for (line in seen) print line, seen[line] }' |
    perl "$draw" --title "$title" --width 1600 --minwidth 1 --fonttype monospace --fontsize 11 >"$out"
