# shellcheck shell=bash
# deploy/k8s: held to its policy without a cluster, and tried on one.

KUSTOMIZE_VERSION=v5.7.0
KUBERNETES_VALIDATE_VERSION=1.37.0
K8S_OVERLAYS=(dev staging production)
K8S_NAMESPACE=flowstack-dev
# Kustomize's files for each component alone are made here.
K8S_WORK=$ROOT/build/k8s

# ------------------------------------------------------------------------------------------------ check

# kustomize is part of kubectl; where there is neither, Go makes it.
render() {
    if [[ -z ${KUSTOMIZE[*]:-} ]]; then
        if command -v kubectl >/dev/null; then
            KUSTOMIZE=(kubectl kustomize)
        elif command -v kustomize >/dev/null; then
            KUSTOMIZE=(kustomize build)
        else
            KUSTOMIZE=("$ROOT/.cache/kustomize/kustomize" build)
            if [[ ! -x $ROOT/.cache/kustomize/kustomize ]]; then
                command -v go >/dev/null || fail k8s "kubectl, kustomize or Go is needed to render deploy/k8s"
                say k8s "compiling kustomize $KUSTOMIZE_VERSION"
                GOBIN=$ROOT/.cache/kustomize go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE_VERSION" \
                    >"$RUN_DIR/log/kustomize.log" 2>&1 || fail k8s "kustomize could not be compiled" "$RUN_DIR/log/kustomize.log"
            fi
        fi
    fi
    "${KUSTOMIZE[@]}" "$1"
}

k8s_python() {
    local venv=$ROOT/.cache/k8s-$KUBERNETES_VALIDATE_VERSION log=$RUN_DIR/log/k8s-python.log
    PYTHON=$venv/bin/python
    [[ ! -f $venv/made ]] || return 0
    install_packages "$ROOT/tools/dev/packages-k8s.txt"
    say k8s "fetching the schemas of Kubernetes (kubernetes-validate $KUBERNETES_VALIDATE_VERSION)"
    mkdir -p "$ROOT/.cache" "$RUN_DIR/log"
    # shellcheck disable=SC2015
    python3 -m venv --clear --system-site-packages "$venv" >"$log" 2>&1 &&
        "$venv/bin/pip" install --quiet "kubernetes-validate==$KUBERNETES_VALIDATE_VERSION" >>"$log" 2>&1 ||
        fail k8s "pip could not fetch the schemas" "$log"
    touch "$venv/made"
}

# k8s-check: every overlay, and every component alone on the base.
run_k8s_check() {
    local overlay component name verdict=0 rendered=() alone=()
    mkdir -p "$K8S_WORK" "$RUN_DIR/log"
    k8s_python
    for overlay in "${K8S_OVERLAYS[@]}"; do
        render "$ROOT/deploy/k8s/overlays/$overlay" >"$K8S_WORK/$overlay.yaml" ||
            fail k8s "the overlay $overlay cannot be rendered"
        rendered+=("$K8S_WORK/$overlay.yaml")
    done
    for component in "$ROOT"/deploy/k8s/components/*/; do
        name=$(basename "$component")
        rm -rf "$K8S_WORK/with-$name"
        mkdir -p "$K8S_WORK/with-$name"
        printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' 'namespace: flowstack' \
            "resources: [$(realpath --relative-to="$K8S_WORK/with-$name" "$ROOT/deploy/k8s/base")]" \
            "components: [$(realpath --relative-to="$K8S_WORK/with-$name" "$component")]" \
            >"$K8S_WORK/with-$name/kustomization.yaml"
        render "$K8S_WORK/with-$name" >"$K8S_WORK/with-$name.yaml" || fail k8s "the component $name cannot be rendered"
        alone+=("$K8S_WORK/with-$name.yaml")
    done
    render "$ROOT/tests/k8s/overlay-ingress" >"$K8S_WORK/test.yaml" ||
        fail k8s "tests/k8s/overlay-ingress cannot be rendered"
    "$PYTHON" "$ROOT/tests/k8s/policy.py" --schemas --controls "$ROOT" "$K8S_WORK/dev.yaml" || verdict=1
    "$PYTHON" "$ROOT/tests/k8s/policy.py" --schemas "$ROOT" "${rendered[@]}" "${alone[@]}" || verdict=1
    if [[ -n ${KUBECONFIG:-}${FLOWSTACK_K8S_LAB:-} ]]; then
        find_cluster
        for name in "${rendered[@]}" "${alone[@]}" "$K8S_WORK/test.yaml"; do
            dry_run "$name" || verdict=1
        done
    else
        say k8s "no server-side dry run: neither KUBECONFIG nor FLOWSTACK_K8S_LAB is set"
    fi
    return "$verdict"
}

# dry_run <rendered file>: the API server admits every object of a kind that it knows. A namespace that is not there
# would refuse what is in it, so one of that name is made, and stays.
dry_run() {
    local file=$1 log=$RUN_DIR/log/k8s-dry-run.log space unknown
    while IFS= read -r space; do
        cluster get namespace "$space" </dev/null >/dev/null 2>&1 ||
            cluster create namespace "$space" </dev/null >/dev/null
    done < <(sed -n 's/^  namespace: //p' "$file" | sort -u)
    if cluster apply --dry-run=server --server-side --force-conflicts --field-manager=flowstack-check -f - <"$file" >"$log" 2>&1; then
        say k8s "$(basename "$file" .yaml): the API server takes all of it ($(grep -c 'serverside-applied' "$log") objects)"
        return 0
    fi
    unknown=$(grep -c 'no matches for kind' "$log" || true)
    if ! grep -v 'no matches for kind\|ensure CRDs are installed first\|serverside-applied' "$log" | grep -q .; then
        say k8s "$(basename "$file" .yaml): the API server takes $(grep -c 'serverside-applied' "$log") objects; $unknown are of kinds that it does not know"
        return 0
    fi
    complain k8s "$(basename "$file" .yaml) is refused" "$log"
    return 1
}

# ------------------------------------------------------------------------------------------------ cluster

# The cluster of KUBECONFIG, or a cluster of one node that the scripts in FLOWSTACK_K8S_LAB make: up.sh, kubectl, and
# common.sh with on_node.
find_cluster() {
    if [[ -n ${FLOWSTACK_K8S_LAB:-} ]]; then
        [[ -x $FLOWSTACK_K8S_LAB/up.sh ]] || fail k8s "FLOWSTACK_K8S_LAB=$FLOWSTACK_K8S_LAB has no up.sh"
        KUBECTL=("$FLOWSTACK_K8S_LAB/kubectl")
        "$FLOWSTACK_K8S_LAB/up.sh" </dev/null >"$RUN_DIR/log/k8s-lab.log" 2>&1 ||
            fail k8s "the lab does not start" "$RUN_DIR/log/k8s-lab.log"
    else
        [[ -n ${KUBECONFIG:-} ]] || fail k8s "which cluster? KUBECONFIG or FLOWSTACK_K8S_LAB is not set"
        KUBECTL=(kubectl)
    fi
    cluster version >"$RUN_DIR/log/k8s-version.log" 2>&1 || fail k8s "the cluster does not answer" "$RUN_DIR/log/k8s-version.log"
}

cluster() { "${KUBECTL[@]}" "$@"; }
here() { cluster -n "$K8S_NAMESPACE" "$@"; }

# load_images <folder>: hands them to the cluster's nodes. For another cluster than the lab FLOWSTACK_K8S_LOAD is a
# command that takes an archive, such as 'kind load image-archive'.
load_images() {
    local name
    # shellcheck disable=SC2153 # of image.sh
    for name in "${IMAGES[@]}"; do load_image "$1/$name.oci.tar"; done
}

load_image() {
    if [[ -n ${FLOWSTACK_K8S_LAB:-} ]]; then
        # shellcheck disable=SC2016
        bash -c 'source "$1/common.sh"; on_node ctr -n k8s.io images import -' _ "$FLOWSTACK_K8S_LAB" \
            <"$1" >"$RUN_DIR/log/k8s-load.log" 2>&1 || fail k8s "$1 cannot be loaded" "$RUN_DIR/log/k8s-load.log"
    elif [[ -n ${FLOWSTACK_K8S_LOAD:-} ]]; then
        $FLOWSTACK_K8S_LOAD "$1" || fail k8s "$1 cannot be loaded by $FLOWSTACK_K8S_LOAD"
    fi
}

# ------------------------------------------------------------------------------------------------ test

K8S_FINDINGS=()
finding() {
    K8S_FINDINGS+=("$1")
    printf '%sFINDING%s %s\n' "$RED" "$PLAIN" "$1"
}

# k8s-test [--from DIR] [--images] [--keep]
#   --ingress  webhooks and callbacks come by an Ingress of the class nginx
#   --images   makes the images first, of the programs in --from (default: the everyday build), and loads them
#   --keep     leaves the namespace as it is
run_k8s_test() {
    local from='' images=no ingress=no keep=no began=$SECONDS
    while (($# > 0)); do
        case $1 in
            --from) [[ -n ${2:-} ]] || usage_error "--from wants a folder"
                    from=$2; shift ;;
            --images) images=yes ;;
            --ingress) ingress=yes ;;
            --keep) keep=yes ;;
            *) usage_error "k8s-test does not know '$1'" ;;
        esac
        shift
    done
    mkdir -p "$RUN_DIR/log" "$K8S_WORK"
    [[ $images == no ]] || run_image ${from:+--from "$from"}
    find_cluster
    [[ $images == no ]] || load_images "$ROOT/build/images"
    K8S_OVERLAY=$ROOT/tests/k8s/overlay
    [[ $ingress == no ]] || find_ingress
    K8S_KEEP=$keep
    # shellcheck disable=SC2034 # of common.sh
    POLL_SECONDS=1 # each look is a process that asks the API server
    trap 'end_k8s_test' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    cluster delete namespace "$K8S_NAMESPACE" --ignore-not-found --timeout=120s >/dev/null
    say k8s "the development overlay, two replicas of each service"
    render "$K8S_OVERLAY" | cluster apply -f - >"$RUN_DIR/log/k8s-apply.log" 2>&1 ||
        fail k8s "apply did not succeed" "$RUN_DIR/log/k8s-apply.log"
    await_all
    await_job seed 120
    say k8s "all of it is ready $((SECONDS - began)) s after the start"

    play_purchase
    start_shoppers
    check_walls
    roll_every_service
    scale_every_service
    lose_pods
    newer_schema
    judge
    count_restarts
    k8s_report "$began"
}

end_k8s_test() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    if ((status != 0)) && [[ -n ${KUBECTL[*]:-} ]]; then
        here get pods -o wide >&2 || true
    fi
    if [[ ${K8S_KEEP:-no} == no ]]; then
        cluster delete namespace "$K8S_NAMESPACE" --ignore-not-found --wait=false >/dev/null 2>&1 || true
    else
        say k8s "kept: kubectl -n $K8S_NAMESPACE get pods"
    fi
    exit "$status"
}

await_all() {
    local workload
    for workload in statefulset/postgres statefulset/kafka deployment/sandbox "${FLOWSTACK_SERVICES[@]/#/statefulset/}"; do
        here rollout status "$workload" --timeout=240s >>"$RUN_DIR/log/k8s-rollout.log" 2>&1 || {
            here describe pods >"$RUN_DIR/log/k8s-pods.log" 2>&1 || true
            here logs "$workload" --all-containers --tail=30 >>"$RUN_DIR/log/k8s-rollout.log" 2>&1 || true
            fail k8s "$workload is not ready" "$RUN_DIR/log/k8s-rollout.log"
        }
    done
}

# await_job <name> <seconds>: until it is complete; its failure is one at once.
await_job() {
    local deadline=$((SECONDS + $2)) state
    while true; do
        # shellcheck disable=SC1083
        state=$(here get job "$1" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}' 2>/dev/null) || state=''
        [[ $state != *Complete* ]] || return 0
        if [[ $state == *Failed* ]] || ((SECONDS > deadline)); then
            here logs "job/$1" --tail=40 >"$RUN_DIR/log/k8s-job.log" 2>&1 || true
            fail k8s "the Job $1 ${state:-did not end within $2 s}" "$RUN_DIR/log/k8s-job.log"
        fi
        sleep 1
    done
}

resume_job() { here patch job "$1" --type merge -p '{"spec":{"suspend":false}}' >/dev/null; }

play_purchase() {
    resume_job demo
    await_job demo 180
    here logs job/demo | sed -n '/The order/,/The trail/p' | head -n 20
    here logs job/demo | tail -n 1
    check_ingress
}

start_shoppers() {
    resume_job shoppers
    wait_until 60 shoppers_say 'customers shop' || fail k8s "the customers do not start"
    say k8s "customers shop"
}

shoppers_say() { here logs job/shoppers 2>/dev/null | grep -q "$1"; }

# probe <pod or workload> <host:port>: does a connection open from there?
probe() { here exec "$1" -- /usr/bin/flowstack-shoppers probe "$2" >/dev/null 2>&1; }

# What must not be reached and is not; and the opposite, so that a refusal is the policy's.
check_walls() {
    local to
    here wait --for=condition=Ready pod/stranger --timeout=60s >/dev/null || fail k8s "the stranger does not run"
    sleep 3 # a new pod is unfiltered for a moment
    for to in gateway:8080 gateway:9090 payment:8080 payment:9090 conversation:9090 followup:9090 campaign:9090 \
        postgres:5432 kafka:9092 sandbox:8080; do
        ! probe stranger "$to" || finding "a pod that no policy names reaches $to"
    done
    for to in gateway:8080 gateway:9090 payment:9090 sandbox:8080 postgres:5432; do
        probe job/shoppers "$to" || finding "the customers do not reach $to, which a policy allows"
    done
    ! probe job/shoppers kafka:9092 || finding "the customers reach kafka:9092, which no policy allows"
    here label pod stranger flowstack/kind=tool >/dev/null
    wait_until 10 probe stranger gateway:9090 || finding "named by a policy, the same pod does not reach gateway:9090"
    here label pod stranger flowstack/kind- >/dev/null
    say k8s "walls: a stranger reaches nothing of 10, a tool what it may"
}

roll_every_service() {
    local service began
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        began=$SECONDS
        here rollout restart "statefulset/$service" >/dev/null
        if here rollout status "statefulset/$service" --timeout=180s >>"$RUN_DIR/log/k8s-rollout.log" 2>&1; then
            say k8s "rolling update of $service: $((SECONDS - began)) s"
        else
            finding "the rolling update of $service does not end"
        fi
    done
}

scale_every_service() {
    local n service
    for n in 3 1 2; do
        for service in "${FLOWSTACK_SERVICES[@]}"; do
            here scale "statefulset/$service" --replicas "$n" >/dev/null
        done
        for service in "${FLOWSTACK_SERVICES[@]}"; do
            here rollout status "statefulset/$service" --timeout=180s >>"$RUN_DIR/log/k8s-rollout.log" 2>&1 ||
                finding "$service does not come to $n replicas"
        done
        wait_until 60 replicas_gone "$n" || finding "replicas beyond $n do not end"
        say k8s "every service has $n replicas"
        sleep 5
    done
}

replicas_gone() {
    (($(here get pods -l flowstack/kind=service --no-headers 2>/dev/null | wc -l) == $1 * ${#FLOWSTACK_SERVICES[@]}))
}

# evict <pod>: as a drained node does, so that budgets count.
evict() {
    printf '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"%s","namespace":"%s"}}' "$1" "$K8S_NAMESPACE" |
        cluster create --raw "/api/v1/namespaces/$K8S_NAMESPACE/pods/$1/eviction" -f - >/dev/null 2>&1
}

lose_pods() {
    local service
    evict payment-0 || finding "payment-0 cannot be evicted although payment-1 is there"
    ! evict payment-1 || finding "the budget of payment lets the second replica go with the first"
    here delete pod gateway-0 --wait=false >/dev/null
    here delete pod conversation-1 --grace-period=0 --force >/dev/null 2>&1
    sleep 3 # until the controllers have seen it
    for service in payment gateway conversation; do
        here rollout status "statefulset/$service" --timeout=120s >>"$RUN_DIR/log/k8s-rollout.log" 2>&1 ||
            finding "$service does not come back after it lost a pod"
    done
    say k8s "a pod evicted, one deleted, one killed: all are back"
}

# The migrations of a later release (one column more) while this one serves.
newer_schema() {
    local file key work=$K8S_WORK/migrations items=''
    rm -rf "$work" && mkdir -p "$work"
    for file in "$ROOT"/migrations/*/*.sql; do
        key=$(basename "$(dirname "$file")")__$(basename "$file")
        cp "$file" "$work/$key"
        items+="$key=${key/__//} "
    done
    printf 'alter table read_model add column later text;\n' >"$work/gateway__9000_later.sql"
    items+='gateway__9000_later.sql=gateway/9000_later.sql'
    here create configmap later-migrations --from-file="$work" >/dev/null
    here get job "migrate-$(project_version | tr . -)" -o json |
        python3 -c '
import json, sys
job = json.load(sys.stdin)
spec = job["spec"]["template"]["spec"]
items = [dict(zip(("key", "path"), pair.split("="))) for pair in sys.argv[1].split()]
spec["volumes"].append({"name": "later", "configMap": {"name": "later-migrations", "items": items}})
spec["containers"][0]["volumeMounts"].append({"name": "later", "mountPath": "/later"})
spec["containers"][0]["command"] += ["--migrations", "/later"]
labels = {k: v for k, v in job["spec"]["template"]["metadata"]["labels"].items() if "batch" not in k and "controller" not in k and k != "job-name"}
print(json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate-later"},
                  "spec": {"backoffLimit": 3, "template": {"metadata": {"labels": labels}, "spec": spec}}}))' \
            "$items" |
        here apply -f - >/dev/null
    await_job migrate-later 120
    here logs job/migrate-later --tail=-1 | grep -q '9000_later' || finding "the later migration was not applied"
    say k8s "the schema of a later release is there, this one serves on"
    sleep 10
}

judge() {
    say k8s "customers come to their end, then the judge"
    here exec job/shoppers -- /usr/bin/flowstack-shoppers stop --dir /data ||
        fail k8s "the customers cannot be told to stop"
    wait_until 600 shoppers_over || finding "the customers and the judge do not end within 10 minutes"
    here logs job/shoppers --tail=-1 >"$RUN_DIR/log/k8s-shoppers.log" || true
    sed -n '/^  journey/,$p' "$RUN_DIR/log/k8s-shoppers.log"
    grep -q 'all is right' "$RUN_DIR/log/k8s-shoppers.log" || finding "the judge finds something, see above"
}

shoppers_over() {
    [[ -n $(here get job shoppers -o 'jsonpath={.status.succeeded}{.status.failed}' 2>/dev/null) ]]
}

count_restarts() {
    local line
    while IFS= read -r line; do
        [[ -z $line ]] || finding "a container was started again: $line"
    done < <(here get pods -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.status.containerStatuses[0].restartCount}{" "}{.status.containerStatuses[0].lastState.terminated.reason}{"\n"}{end}' |
        awk '$2 > 0 && $1 !~ /^(seed|migrate)-/')
}

k8s_report() {
    printf '\n'
    here get pods -l flowstack/kind=service --no-headers | awk '{ print "  " $1, $2, $3 }' | column -t 2>/dev/null || true
    if ((${#K8S_FINDINGS[@]} == 0)); then
        say k8s "all is right, $((SECONDS - $1)) s"
        return 0
    fi
    printf '  %s\n' "${K8S_FINDINGS[@]}"
    say k8s "${#K8S_FINDINGS[@]} findings, $((SECONDS - $1)) s"
    return 1
}
