# shellcheck shell=bash
# The way in that k8s-test uses: the Ingress controller of the cluster's class `nginx`, or, where there is none, Traefik
# compiled from its Go module, which serves Ingresses of that class.

TRAEFIK_VERSION=v3.6.2
TRAEFIK_SUM=h1:nR6rGDV8R1kT1BB3n3sPN86d4D8F17ew6sQMVJlTJZ8=
TRAEFIK_HOME=$ROOT/.cache/traefik-$TRAEFIK_VERSION

find_ingress() {
    K8S_OVERLAY=$ROOT/tests/k8s/overlay-ingress
    if cluster get ingressclass nginx >/dev/null 2>&1 && ! cluster -n ingress-nginx get deployment traefik >/dev/null 2>&1; then
        say k8s "the cluster has the Ingress class nginx: webhooks and callbacks come by it"
        return
    fi
    make_traefik
    load_image "$TRAEFIK_HOME/traefik.oci.tar"
    cluster apply -k "$ROOT/tests/k8s/ingress" >"$RUN_DIR/log/k8s-ingress.log" 2>&1 &&
        cluster -n ingress-nginx rollout status deployment/traefik --timeout=120s >>"$RUN_DIR/log/k8s-ingress.log" 2>&1 ||
        fail k8s "the Ingress controller does not start" "$RUN_DIR/log/k8s-ingress.log"
    say k8s "Traefik $TRAEFIK_VERSION serves the Ingress class nginx: webhooks and callbacks come by it"
}

# Ten minutes the first time.
make_traefik() {
    local log=$RUN_DIR/log/traefik.log answer work
    [[ ! -s $TRAEFIK_HOME/traefik.oci.tar ]] || return 0
    command -v go >/dev/null || fail k8s "the cluster has no Ingress class nginx, and Go is missing to compile a controller"
    mkdir -p "$TRAEFIK_HOME"
    if [[ ! -x $TRAEFIK_HOME/traefik ]]; then
        say k8s "compiling Traefik $TRAEFIK_VERSION, which takes minutes"
        # Its sum stands above: the checksum database is not asked.
        answer=$(GONOSUMDB='github.com/traefik/*' go mod download -json "github.com/traefik/traefik/v3@$TRAEFIK_VERSION" 2>"$log") ||
            fail k8s "Traefik cannot be fetched" "$log"
        grep -qF "\"$TRAEFIK_SUM\"" <<<"$answer" || fail k8s "Traefik $TRAEFIK_VERSION has another sum than $TRAEFIK_SUM"
        rm -rf "$TRAEFIK_HOME/source"
        cp -r --no-preserve=mode "$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$answer")" "$TRAEFIK_HOME/source"
        (cd "$TRAEFIK_HOME/source" &&
            CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$TRAEFIK_HOME/traefik.new" ./cmd/traefik) >>"$log" 2>&1 ||
            fail k8s "Traefik cannot be compiled" "$log"
        rm -rf "$TRAEFIK_HOME/source"
        mv "$TRAEFIK_HOME/traefik.new" "$TRAEFIK_HOME/traefik"
    fi
    work=$(mktemp -d "$TRAEFIK_HOME/image.XXXXXX")
    mkdir -p "$work/root/usr/bin" "$work/root/tmp"
    cp "$TRAEFIK_HOME/traefik" "$work/root/usr/bin/traefik"
    VERSION=$TRAEFIK_VERSION IMAGE_EPOCH=0 IMAGE_REVISION=$TRAEFIK_VERSION write_oci traefik "$work" localhost/traefik:test
    mv "$work/image.tar" "$TRAEFIK_HOME/traefik.oci.tar"
    rm -rf "$work"
}

# What the controller's log says of requests to a path; our own controller only.
ingress_served() {
    cluster -n ingress-nginx logs deployment/traefik --tail=-1 2>/dev/null | grep -c "\"POST $1[^\"]*\" 200" || true
}

check_ingress() {
    local webhooks callbacks
    [[ $K8S_OVERLAY == */overlay-ingress ]] || return 0
    if ! cluster -n ingress-nginx get deployment traefik >/dev/null 2>&1; then
        say k8s "the Ingress controller is the cluster's own: what came by it is not counted"
        return
    fi
    webhooks=$(ingress_served /webhooks/whatsapp)
    callbacks=$(ingress_served /hooks/pay)
    ((webhooks > 0)) || finding "no webhook came by the Ingress"
    ((callbacks > 0)) || finding "no payment's callback came by the Ingress"
    say k8s "by the Ingress: $webhooks webhooks, $callbacks callbacks of payments"
}
