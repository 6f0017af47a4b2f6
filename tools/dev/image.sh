# shellcheck shell=bash
# OCI images without a container engine, a registry or root: a tree of files, packed by tar, described by four small JSON
# files (the OCI image layout). What a program needs is what the dynamic loader would load, taken from this Debian
# 12, which is also where it was compiled. The same files and the same commit give the same digest.
#
#   flowstack           the five services, flowctl, migrations, packs: no shell, user 65532, works on a read-only root
#   flowstack-tools     the sandbox, flowstack-demo, flowstack-shoppers and their judge: for development and tests
#   flowstack-kafka     one Kafka node of deploy/kafka for the development overlay
#   flowstack-postgres  PostgreSQL 15 of Debian for the development overlay

IMAGES=(flowstack flowstack-tools flowstack-kafka flowstack-postgres)
IMAGE_USER=65532
IMAGE_MIB_MAX=120 # of the image `flowstack`, unpacked
IMAGE_PROGRAMS=("${FLOWSTACK_SERVICES[@]/#/flowstack-}" flowctl)
TOOLS_PROGRAMS=(flowstack-sandbox flowstack-demo flowstack-shoppers flowstack-chaos-check flowctl)

# image [name…] [--from DIR] [--out DIR] [--registry PREFIX] [--tag TAG] [--root DIR] [--no-build]
run_image() {
    local names=() from='' out='' registry=localhost tag='' root='' build=yes name
    while (($# > 0)); do
        case $1 in
            --from | --out | --registry | --tag | --root)
                [[ -n ${2:-} ]] || usage_error "image $1 wants a value"
                case $1 in
                    --from) from=$2 ;;
                    --out) out=$2 ;;
                    --registry) registry=$2 ;;
                    --tag) tag=$2 ;;
                    --root) root=$2 ;;
                esac
                shift ;;
            --no-build) build=no ;;
            -*) usage_error "image does not know '$1'" ;;
            *) [[ " ${IMAGES[*]} " == *" $1 "* ]] || usage_error "there is no image '$1': ${IMAGES[*]}"
               names+=("$1") ;;
        esac
        shift
    done
    [[ ${#names[@]} -gt 0 ]] || names=("${IMAGES[@]}")
    VERSION=$(project_version)
    tag=${tag:-$VERSION}
    out=${out:-$ROOT/build/images}
    # What is installed is the release build.
    [[ -n $from ]] || use_build "${FLOWSTACK_BUILD:-release}"
    from=${from:-$BIN_DIR}
    IMAGE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || printf 0)}
    IMAGE_REVISION=${FLOWSTACK_REVISION:-$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || printf unknown)}
    [[ $build == no || $from != "$BIN_DIR" ]] || build_all "${IMAGE_PROGRAMS[@]}" "${TOOLS_PROGRAMS[@]}"
    mkdir -p "$out" "$RUN_DIR/log"
    if [[ -n $root ]]; then
        [[ ${#names[@]} -eq 1 ]] || usage_error "image --root wants one name"
        make_tree "${names[0]}" "$from" "$root"
        say image "${names[0]}: the files are in $root"
        return
    fi
    for name in "${names[@]}"; do
        local work
        work=$(mktemp -d "$out/.$name.XXXXXX")
        make_tree "$name" "$from" "$work/root"
        write_oci "$name" "$work" "$registry/$name:$tag"
        mv -f "$work/image.tar" "$out/$name.oci.tar"
        cp -f "$work/root/usr/share/flowstack/sbom.spdx.json" "$out/$name.spdx.json"
        printf '%s\n' "$IMAGE_DIGEST" >"$out/$name.digest"
        rm -rf "$work"
        say image "$registry/$name:$tag  $IMAGE_DIGEST"
        say image "  $out/$name.oci.tar, $IMAGE_MIB MiB unpacked, $(($(stat -c %s "$out/$name.oci.tar") >> 20)) MiB packed"
    done
}

project_version() {
    sed -n 's/^project(flowstack VERSION \([0-9.]*\).*/\1/p' "$ROOT/CMakeLists.txt"
}

# make_tree <image> <folder of programs> <folder to make>
make_tree() {
    local image=$1 from=$2 tree=$3
    [[ ! -e $tree ]] || fail image "$tree is there already"
    tree=$(realpath -m "$tree")
    mkdir -p "$tree"/{etc,usr/bin,usr/lib,usr/lib64,usr/share/flowstack}
    ln -s usr/bin "$tree/bin"
    ln -s usr/bin "$tree/sbin"
    ln -s usr/lib "$tree/lib"
    ln -s usr/lib64 "$tree/lib64"
    mkdir -m 1777 "$tree/tmp"
    printf 'root:x:0:0:root:/:/sbin/nologin\nflowstack:x:%s:%s:flowstack:/:/sbin/nologin\n' \
        "$IMAGE_USER" "$IMAGE_USER" >"$tree/etc/passwd"
    printf 'root:x:0:\nflowstack:x:%s:\n' "$IMAGE_USER" >"$tree/etc/group"
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$tree/etc/nsswitch.conf"
    # What came from a Debian package, one path of this machine a line, for the list of packages.
    TREE_SOURCES=$(mktemp "$RUN_DIR/tree.XXXXXX")
    : >"$TREE_SOURCES"
    take "$tree" /etc/os-release /etc/debian_version
    "tree_of_${image//-/_}" "$from" "$tree"
    take_libraries "$tree"
    case $image in flowstack | flowstack-tools) shrink_icu "$tree" ;; esac
    take_licences "$tree"
    write_sbom "$image" "$tree"
    rm -f "$TREE_SOURCES"
    # Nothing is writable by anybody but root, whose files they are.
    find "$tree" -type f -exec chmod go-w,a+r {} +
    find "$tree" -type d ! -perm -1000 -exec chmod 755 {} +
}

tree_of_flowstack() {
    take_programs "$1" "$2" "${IMAGE_PROGRAMS[@]}"
    cp -r "$ROOT/migrations" "$ROOT/services/conversation/packs" "$2/usr/share/flowstack/"
    cp "$ROOT/LICENSE" "$2/usr/share/flowstack/"
    # For whoever copies flowctl out of the image.
    mkdir -p "$2/usr/share/man/man1"
    "$1/flowctl" manual >"$2/usr/share/man/man1/flowctl.1"
    take_edge "$2"
}

tree_of_flowstack_tools() {
    take_programs "$1" "$2" "${TOOLS_PROGRAMS[@]}"
    take_edge "$2"
}

tree_of_flowstack_kafka() {
    local tree=$2 home jars
    home=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")") ||
        fail image "java is missing (package openjdk-17-jre-headless)"
    fetch_kafka || fail image "the jars of Kafka cannot be had" "$RUN_DIR/log/kafka-fetch.log"
    jars=$KAFKA_HOME/libs
    mkdir -p "$tree/opt/kafka" "$tree$home"
    cp -a "$home/." "$tree$home/"
    # Its settings are links to /etc.
    [[ ! -d /etc/java-17-openjdk ]] || { mkdir -p "$tree/etc" && cp -a /etc/java-17-openjdk "$tree/etc/"; }
    rm -rf "${tree:?}$home"/{docs,man,src.zip,demo}
    find "$home" -type f -name 'libjvm.so' >>"$TREE_SOURCES"
    ln -s "$home/bin/java" "$tree/usr/bin/java"
    cp -r "$jars" "$tree/opt/kafka/libs"
    cp "$ROOT/deploy/kafka/log4j2.properties" "$tree/opt/kafka/"
    take_edge "$tree"
}

tree_of_flowstack_postgres() {
    local tree=$2
    [[ -x $POSTGRES_BIN/postgres ]] || fail image "$POSTGRES_BIN/postgres is missing (package postgresql-15)"
    # Without the compiler of statements, which is off (jit = off) and brings LLVM.
    mkdir -p "$tree"/usr/{lib,share}/postgresql
    cp -a /usr/lib/postgresql/15 "$tree/usr/lib/postgresql/"
    cp -a /usr/share/postgresql/15 "$tree/usr/share/postgresql/"
    rm -rf "$tree"/usr/lib/postgresql/15/lib/{bitcode,llvmjit*,pgxs} "$tree"/usr/share/postgresql/15/{man,doc}
    printf '%s\n' "$POSTGRES_BIN/postgres" "$POSTGRES_BIN/pg_isready" >>"$TREE_SOURCES"
    # initdb starts its server through a shell, and the script of this image is one.
    take "$tree" /usr/bin/dash /usr/bin/rm /usr/bin/mv /usr/bin/mkdir /usr/bin/cat
    ln -s dash "$tree/usr/bin/sh"
    mkdir -p "$tree/usr/lib/locale"
    [[ ! -d /usr/lib/locale/C.utf8 ]] || cp -a /usr/lib/locale/C.utf8 "$tree/usr/lib/locale/"
    install -m 755 "$ROOT/deploy/image/postgres.sh" "$tree/usr/bin/flowstack-postgres"
    cp "$ROOT/deploy/postgres/flowstack.conf" "$tree/usr/share/flowstack/"
    take_edge "$tree"
}

# take <tree> <path of this machine…>: the file itself under the same name, links followed. The folder of a name
# is where it really is: /lib is /usr/lib.
take() {
    local tree=$1 path target
    shift
    for path in "$@"; do
        target=$(readlink -f "$(dirname "$path")")/$(basename "$path")
        mkdir -p "$tree$(dirname "$target")"
        cp -L --preserve=mode "$path" "$tree$target"
        printf '%s\n' "$path" "$(readlink -f "$path")" >>"$TREE_SOURCES"
    done
}

# take_programs <folder> <tree> <name…>: ours, without what a debugger wants.
take_programs() {
    local from=$1 tree=$2 program
    shift 2
    for program in "$@"; do
        [[ -x $from/$program ]] || fail image "$from/$program is missing (./flowstack build makes it)"
        strip --strip-all -o "$tree/usr/bin/$program" "$from/$program"
        chmod 755 "$tree/usr/bin/$program"
    done
}

# Certificates of the world's authorities, time zones, and OpenSSL's own settings.
take_edge() {
    local tree=$1
    take "$tree" /etc/ssl/certs/ca-certificates.crt /usr/lib/ssl/openssl.cnf
    ln -s /etc/ssl/certs/ca-certificates.crt "$tree/usr/lib/ssl/cert.pem"
    mkdir -p "$tree/usr/share"
    cp -a /usr/share/zoneinfo "$tree/usr/share/"
    rm -rf "${tree:?}"/usr/share/zoneinfo/{posix,right}
    # Debian's link leads to /etc/localtime, which an image has not.
    rm -f "$tree/usr/share/zoneinfo/localtime"
    printf '%s\n' /usr/share/zoneinfo/UTC /usr/sbin/update-ca-certificates >>"$TREE_SOURCES"
}

# What the dynamic loader would load for every program and library of the tree, until nothing is new.
take_libraries() {
    local tree=$1 path found
    while true; do
        # ldd says no to a script.
        found=$({ find "$tree" -type f \( -perm -100 -o -name '*.so' -o -name '*.so.*' \) -print0 |
            xargs -0 -n 50 ldd 2>/dev/null || true; } |
            sed -n -e 's/^[[:space:]]*[^ ]* => \(\/[^ ]*\) (.*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' |
            sort -u | while IFS= read -r path; do
                [[ $path != "$tree"/* ]] || continue
                [[ -e $tree$(readlink -f "$(dirname "$path")")/$(basename "$path") ]] || printf '%s\n' "$path"
            done)
        [[ -n $found ]] || break
        mapfile -t found_paths <<<"$found"
        take "$tree" "${found_paths[@]}"
    done
}

# ICU's data is 30 MiB of languages, character sets and names. Ours are normalization and the breaks between characters;
# what else would be looked up is not there, and icu::ErrorCode says so. Everything else of ICU stays Debian's.
ICU_DATA_KEPT='\.nrm$|^brkitr/(root|res_index)\.res$|^brkitr/[a-z_]*\.(brk|dict)$|^(root|pool|res_index)\.res$|^(cnvalias|uemoji|ulayout)\.icu$'

# shrink_icu <tree>
shrink_icu() {
    local library work symbol value size section address offset
    library=$(find "$1/usr/lib" -type f -name 'libicudata.so.*')
    [[ -n $library ]] || return 0
    work=$(mktemp -d)
    mkdir "$work/small"
    # Where its one symbol lies in the file.
    read -r value size section symbol < <(readelf -W --dyn-syms "$library" | awk '/ icudt[0-9]*_dat$/ { print $2, $3, $7, $8 }')
    read -r address offset < <(readelf -SW "$library" | sed 's/^ *\[ *//; s/\]//' | awk -v n="$section" '$1 == n { print $4, $5 }')
    dd if="$library" of="$work/${symbol%_dat}l.dat" iflag=skip_bytes,count_bytes bs=1M status=none \
        skip=$((16#$value - 16#$address + 16#$offset)) count=$((size))
    icupkg -l "$work/${symbol%_dat}l.dat" | grep -vE "$ICU_DATA_KEPT" >"$work/unused.txt"
    icupkg -r "$work/unused.txt" "$work/${symbol%_dat}l.dat" "$work/small/${symbol%_dat}l.dat" ||
        fail image "ICU's data cannot be made smaller"
    printf '.section .note.GNU-stack,"",%%progbits\n.section .rodata\n.balign 16\n.globl %s\n.type %s, %%object\n%s:\n.incbin "%s"\n.size %s, . - %s\n' \
        "$symbol" "$symbol" "$symbol" "$work/small/${symbol%_dat}l.dat" "$symbol" "$symbol" |
        cc -x assembler - -shared -nostdlib -Wl,-soname,"$(basename "$library")" -Wl,--build-id=none -Wl,--strip-all -o "$work/library" ||
        fail image "ICU's smaller data cannot be linked"
    install -m 644 "$work/library" "$library"
    rm -rf "$work"
}

# The packages that the files of the tree came from, as `name version architecture`.
tree_packages() {
    # Since /lib is a link, dpkg knows a file by one of two names.
    sed -e 'p' -e 's|^/usr/\(lib\|lib64\|bin\|sbin\)/|/\1/|' "$TREE_SOURCES" | sort -u |
        { xargs dpkg -S 2>/dev/null || true; } | sed -n 's/^\([^ ]*\): .*/\1/p' | tr -d ',' | sort -u |
        xargs dpkg-query -W -f="\${Package} \${Version} \${Architecture}\n" | sort -u
}

# Debian wants the licences to go with the files; where this machine has left them out, the list of packages
# still names what they are of.
take_licences() {
    local tree=$1 name
    while read -r name _; do
        [[ -f /usr/share/doc/$name/copyright ]] || continue
        mkdir -p "$tree/usr/share/doc/$name"
        cp -L "/usr/share/doc/$name/copyright" "$tree/usr/share/doc/$name/"
        # That of Boost alone has 2 MiB.
        [[ $(stat -c %s "$tree/usr/share/doc/$name/copyright") -lt 65536 ]] || gzip -n -9 "$tree/usr/share/doc/$name/copyright"
    done < <(tree_packages)
}

# An SPDX 2.3 document: FlowStack, and each Debian package and Kafka jar that gave a file.
write_sbom() {
    local image=$1 tree=$2 created name version architecture id jar
    created=$(date -u -d "@$IMAGE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
    {
        printf '{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"%s-%s",' "$image" "$VERSION"
        printf '"documentNamespace":"urn:flowstack:sbom:%s-%s-%s","creationInfo":{"created":"%s","creators":["Tool: flowstack-image"]},\n' \
            "$image" "$VERSION" "$IMAGE_REVISION" "$created"
        printf '"documentDescribes":["SPDXRef-Image"],"packages":[\n'
        printf '{"SPDXID":"SPDXRef-Image","name":"%s","versionInfo":"%s","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"MIT","licenseDeclared":"MIT","copyrightText":"NOASSERTION","primaryPackagePurpose":"CONTAINER"}' \
            "$image" "$VERSION"
        while read -r name version architecture; do
            id=SPDXRef-deb-${name//[^A-Za-z0-9.]/-}
            printf ',\n{"SPDXID":"%s","name":"%s","versionInfo":"%s","supplier":"Organization: Debian","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"NOASSERTION","copyrightText":"NOASSERTION","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/%s@%s?arch=%s&distro=debian-12"}]}' \
                "$id" "$name" "$version" "$(url_escaped "$name")" "$(url_escaped "$version")" "$architecture"
            printf '%s\n' "$id" >&3
        done < <(tree_packages)
        for jar in "$tree"/opt/kafka/libs/*.jar; do
            [[ -f $jar ]] || continue
            jar=$(basename "$jar" .jar)
            id=SPDXRef-jar-${jar//[^A-Za-z0-9.]/-}
            printf ',\n{"SPDXID":"%s","name":"%s","versionInfo":"%s","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"NOASSERTION","copyrightText":"NOASSERTION"}' \
                "$id" "${jar%-[0-9]*}" "${jar##*-}"
            printf '%s\n' "$id" >&3
        done
    } 3>"$tree.ids" >"$tree.sbom"
    {
        cat "$tree.sbom"
        printf '],\n"relationships":[\n{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-Image"}'
        while IFS= read -r id; do
            printf ',\n{"spdxElementId":"SPDXRef-Image","relationshipType":"CONTAINS","relatedSpdxElement":"%s"}' "$id"
        done <"$tree.ids"
        printf ']}\n'
    } >"$tree/usr/share/flowstack/sbom.spdx.json"
    rm -f "$tree.sbom" "$tree.ids"
}

# Debian's versions have a '+', ':' and '~'.
url_escaped() {
    local text=${1//%/%25}
    text=${text//+/%2B}
    printf '%s' "${text//:/%3A}"
}

# write_oci <image> <work folder with root/> <reference>: work/image.tar, an OCI image layout; sets IMAGE_DIGEST, IMAGE_MIB.
write_oci() {
    local image=$1 work=$2 reference=$3 layout=$2/layout layer diff config manifest created architecture
    created=$(date -u -d "@$IMAGE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
    architecture=$(dpkg --print-architecture)
    mkdir -p "$layout/blobs/sha256"
    IMAGE_MIB=$(($(du -s --apparent-size --block-size=1 "$work/root" | cut -f 1) >> 20))
    [[ $image != flowstack ]] || ((IMAGE_MIB < IMAGE_MIB_MAX)) ||
        fail image "$image has $IMAGE_MIB MiB unpacked, and $IMAGE_MIB_MAX are allowed"
    sorted_tar "$work/root" "$work/layer"
    diff=$(sha256_of "$work/layer")
    gzip -n -6 "$work/layer"
    layer=$(add_blob "$layout" "$work/layer.gz")
    printf '{"created":"%s","architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"flowstack image %s"}]}' \
        "$created" "$architecture" "$(image_config "$image" "$created")" "$diff" "$created" "$image" >"$work/config"
    config=$(add_blob "$layout" "$work/config")
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' \
        "$config" "$(stat -c %s "$layout/blobs/sha256/$config")" "$layer" "$(stat -c %s "$layout/blobs/sha256/$layer")" >"$work/manifest"
    manifest=$(add_blob "$layout" "$work/manifest")
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
    # containerd takes the first name, skopeo and podman the second.
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
        "$manifest" "$(stat -c %s "$layout/blobs/sha256/$manifest")" "$architecture" "$reference" "${reference##*:}" >"$layout/index.json"
    sorted_tar "$layout" "$work/image.tar"
    IMAGE_DIGEST=sha256:$manifest
}

# sorted_tar <folder> <file>: the same bytes whoever packs, whenever.
sorted_tar() {
    tar --sort=name --mtime="@$IMAGE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu -C "$1" -cf "$2" .
}

sha256_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# add_blob <layout> <file>: moves it in, prints its SHA-256.
add_blob() {
    local digest
    digest=$(sha256_of "$2")
    mv "$2" "$1/blobs/sha256/$digest"
    printf '%s' "$digest"
}

# What a runtime does with the image unless a pod says otherwise.
image_config() {
    local image=$1 created=$2 environment command title
    environment='"PATH=/usr/bin"'
    case $image in
        flowstack)
            title='FlowStack: sell on WhatsApp with every message and shilling accounted for'
            environment+=',"MIGRATIONS_DIR=/usr/share/flowstack/migrations","PACKS_DIR=/usr/share/flowstack/packs"'
            command='"/usr/bin/flowctl","--help"' ;;
        flowstack-tools)
            title='FlowStack sandbox, demo and judges, for development and tests'
            command='"/usr/bin/flowstack-sandbox"' ;;
        flowstack-kafka)
            title="Apache Kafka $KAFKA_VERSION, one node, for development"
            command='"/usr/bin/java","-cp","/opt/kafka/libs/*","kafka.Kafka","/etc/kafka/server.properties"' ;;
        flowstack-postgres)
            title='PostgreSQL 15 with the databases of FlowStack, for development'
            environment+=',"LANG=C.UTF-8"'
            command='"/usr/bin/flowstack-postgres"' ;;
        *) # one static program, made for a test
            title=$image
            command="\"/usr/bin/$image\"" ;;
    esac
    printf '{"User":"%s:%s","Env":[%s],"Cmd":[%s],"WorkingDir":"/","Labels":{' "$IMAGE_USER" "$IMAGE_USER" "$environment" "$command"
    printf '"org.opencontainers.image.title":"%s","org.opencontainers.image.description":"%s","org.opencontainers.image.version":"%s","org.opencontainers.image.revision":"%s",' \
        "$image" "$title" "$VERSION" "$IMAGE_REVISION"
    printf '"org.opencontainers.image.created":"%s","org.opencontainers.image.licenses":"MIT","org.opencontainers.image.base.name":"debian:12"}}' \
        "$created"
}
