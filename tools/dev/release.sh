# shellcheck shell=bash
# A release: one commit that names the version everywhere, the images of that commit, their list of parts and check
# sums, notes from the changelog, and last the tag. Nothing is pushed.

# release VERSION [--out DIR] [--tag-only]
#   --out       where images, notes and check sums go (default: build/releases/VERSION)
#   --tag-only  the commit and the tag: no baselines, no images
# A run that was cut off goes on where it stopped: the commit is not made twice.
run_release() {
    local version='' out='' tag_only=no old
    while (($# > 0)); do
        case $1 in
            --out) [[ -n ${2:-} ]] || usage_error "--out wants a folder"
                   out=$2; shift ;;
            --tag-only) tag_only=yes ;;
            -*) usage_error "release does not know '$1'" ;;
            *) [[ -z $version ]] || usage_error "release wants one version"
               version=$1 ;;
        esac
        shift
    done
    [[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]] ||
        usage_error "release wants a version of three numbers, such as 1.4.0, not '$version'"
    out=${out:-$ROOT/build/releases/$version}
    old=$(project_version)
    cd "$ROOT" || return
    check_releasable "$version" "$old"
    if ! changelog_has "$version"; then
        name_version "$old" "$version"
        [[ $tag_only == yes ]] || run_check --update-baseline
        git commit --quiet --all --message "release: $version" || fail release "git could not commit"
        say release "committed: $(git log -1 --format='%h %s')"
    fi
    mkdir -p "$out"
    release_notes "$version" >"$out/notes.md"
    if [[ $tag_only == no ]]; then
        run_image --out "$out" --tag "$version"
        add_digests "$out"
        git archive --prefix "flowstack-$version/" -o "$out/flowstack-$version.tar.gz" HEAD
        (cd "$out" && sha256sum -- *.oci.tar *.spdx.json *.tar.gz notes.md >SHA256SUMS)
    fi
    # Last, so that a tag stands only for what could be built. Lines with # are headings here, not comments.
    git tag --annotate --cleanup=whitespace --file "$out/notes.md" "v$version" || fail release "git could not tag v$version"
    say release "v$version: $out"
    say release "publish it: git push origin HEAD v$version"
}

# check_releasable <new> <old>
check_releasable() {
    git rev-parse --git-dir >/dev/null 2>&1 || fail release "this is no git repository"
    [[ -z $(git status --porcelain --untracked-files=no) ]] ||
        fail release "there are changes that are not committed: git status"
    ! git rev-parse --quiet --verify "refs/tags/v$1" >/dev/null ||
        fail release "v$1 is there already: $(git log -1 --format='%h of %cs' "v$1")"
    [[ $(printf '%s\n' "$2" "$1" | sort --version-sort | tail -n 1) == "$1" ]] ||
        fail release "$1 is before $2, which CMakeLists.txt names"
    changelog_has "$1" || grep -q '^- ' <<<"$(changelog_section Unreleased)" ||
        fail release "CHANGELOG.md has nothing under [Unreleased]"
}

changelog_has() { grep -qF "## [$1]" CHANGELOG.md; }

# changelog_section <version or Unreleased>: what stands below its heading.
changelog_section() {
    awk -v heading="## [$1]" 'index($0, "## [") == 1 { inside = index($0, heading) == 1; next } inside' CHANGELOG.md
}

# name_version <old> <new>: in every file that names the version of this project, and in the names of Kubernetes' Jobs.
name_version() {
    local dots=${1//./\\.} dashes=${1//./-} files
    local pattern="(?<![\\d.])$dots(?![\\d.]*\\d)|(?<=migrate-)$dashes\\b"
    sed -i "s/^## \[Unreleased\]\$/## [Unreleased]\n\n## [$2] - $(date -u +%F)/" CHANGELOG.md
    [[ $1 != "$2" ]] || return 0
    mapfile -t files < <(git grep -lP "$pattern" -- CMakeLists.txt common/core/version.h deploy docs tests/k8s ':!docs/adr')
    NEW=$2 perl -pi -e "s/(?<![\\d.])$dots(?![\\d.]*\\d)/\$ENV{NEW}/g; s/(?<=migrate-)$dashes\\b/\$ENV{NEW} =~ tr,.,-,r/ge" "${files[@]}"
    [[ $(project_version) == "$2" ]] || fail release "CMakeLists.txt does not name $2 now"
    say release "$1 is $2 in ${#files[@]} files"
}

release_notes() {
    printf 'FlowStack %s\n' "$1"
    changelog_section "$1"
    printf '\nUpgrading: docs/upgrade.md.\n'
}

# add_digests <folder>: by which an overlay names the images.
add_digests() {
    local file
    {
        printf '\n## Images\n\n'
        for file in "$1"/*.digest; do
            printf -- '- `%s@%s`\n' "$(basename "$file" .digest)" "$(cat "$file")"
        done
    } >>"$1/notes.md"
}
