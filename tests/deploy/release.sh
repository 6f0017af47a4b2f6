#!/usr/bin/env bash
# `./flowstack release` in a repository of its own: the version is named everywhere, the notes are the changelog's, and
# what must not be released is refused.
#   release.sh <repository>
# shellcheck disable=SC2317  # what expect() calls
set -euo pipefail
ROOT=$1
# shellcheck source=tests/support/expect.sh
source "$ROOT/tests/support/expect.sh"

WORK=$(mktemp -d /tmp/flowstack-release-test.XXXXXX)
trap 'rm -rf "$WORK"' EXIT
export GIT_CONFIG_GLOBAL=$WORK/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --file "$GIT_CONFIG_GLOBAL" user.name Releaser
git config --file "$GIT_CONFIG_GLOBAL" user.email releaser@example.com

mkdir "$WORK/clone"
if git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$ROOT" ls-files -z
else
    (cd "$ROOT" && find . -type f ! -path './build/*' ! -path './.run/*' ! -path './.cache/*' -print0)
fi | (cd "$ROOT" && xargs -0 cp --parents -t "$WORK/clone" 2>/dev/null || true)
cd "$WORK/clone"
git init --quiet --initial-branch main
git add --all
git commit --quiet --message 'everything'
OLD=$(sed -n 's/^project(flowstack VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

release() { ./flowstack release "$@" --run-dir "$WORK/run" --out "$WORK/out" --tag-only; }
refused() { # refused <words of the reason> <arguments…>
    local words=$1
    shift
    ! release "$@" >"$WORK/said" 2>&1 && grep -q "$words" "$WORK/said"
}
names_old_nowhere() {
    ! git grep -nP "(?<![\\d.])${OLD//./\\.}(?![\\d.]*\\d)|migrate-${OLD//./-}\\b" -- CMakeLists.txt deploy docs tests/k8s ':!docs/adr'
}
nothing_changed() { [[ -z $(git status --porcelain) && $(git log --format=%s) == everything && -z $(git tag) ]]; }

expect "a word is no version" refused 'three numbers' next
expect "two numbers are no version" refused 'three numbers' 9.8
expect "a version before this one is refused" refused "before $OLD" 0.0.1
printf '\n' >>README.md
expect "changes that are not committed are refused" refused 'not committed' 9.8.7
git checkout --quiet README.md
expect "a refusal changes nothing" nothing_changed

release 9.8.7 >"$WORK/said" 2>&1 || { cat "$WORK/said"; exit 1; }
expect "one commit more" test "$(git log -1 --format=%s)" = 'release: 9.8.7'
expect "CMakeLists.txt names it" grep -q '^project(flowstack VERSION 9.8.7 ' CMakeLists.txt
expect "the migration's Job is called by it" grep -q 'name: migrate-9-8-7' deploy/k8s/base/migrate.yaml
expect "the API's page names it" grep -q '"version": "9.8.7"' docs/api/openapi.json
expect "addresses that look alike stay" grep -q '10.20.1.0/24' deploy/k8s/overlays/production/stores.yaml
expect "the version before is named nowhere" names_old_nowhere
expect "the changelog has its heading and date" grep -q "^## \[9.8.7\] - $(date -u +%Y)-" CHANGELOG.md
expect "[Unreleased] is empty" test -z "$(awk '/^## \[Unreleased\]/ { inside = 1; next } /^## \[/ { inside = 0 } inside && NF' CHANGELOG.md)"
expect "the tag holds the notes" grep -q '^### Added' <<<"$(git tag -l --format='%(contents)' v9.8.7)"
expect "the notes end where the section ends" test "$(cat "$WORK"/out/*.md | grep -c '^## \[')" = 0

expect "the same version again is refused" refused 'there already' 9.8.7
expect "a release without a line in the changelog is refused" refused 'nothing under' 9.8.8
git tag -d v9.8.7 >/dev/null
release 9.8.7 >"$WORK/said" 2>&1 || { cat "$WORK/said"; exit 1; }
expect "a release that was cut off before its tag goes on" test "$(git log --format=%s | grep -c '^release')" = 1
expect "with the tag" git rev-parse --quiet --verify refs/tags/v9.8.7
exit "$failed"
