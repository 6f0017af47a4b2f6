#!/usr/bin/env python3
"""What every rendered overlay of deploy/k8s must keep.

    policy.py [--schemas] ROOT RENDERED.yaml...   holds each file to the rules; a file's name is its overlay's
    policy.py [--schemas] --controls ROOT RENDERED.yaml       breaks every rule once and expects it to be found

The rules are those of deploy/k8s/README.md. Whatever is found is a line on stdout, and status 1.
"""
import copy
import pathlib
import re
import sys

import yaml

SERVICES = ["gateway", "conversation", "payment", "followup", "campaign"]
WORKLOADS = ("StatefulSet", "Deployment", "Job")
INTERNET = {"0.0.0.0/0", "::/0"}
SECRET_NAME = re.compile(r"(KEY|TOKEN|PASSWORD|SECRET|_APPS|DATABASE_URL|MIGRATE_URL|OTLP_HEADERS)$")


class Rendered:
    def __init__(self, root, name, documents):
        self.root, self.name, self.documents = root, name, documents
        text = (root / "CMakeLists.txt").read_text()
        self.version = re.search(r"project\(flowstack VERSION ([0-9.]+)", text).group(1)

    def of(self, *kinds):
        return [d for d in self.documents if d["kind"] in kinds]

    def workloads(self):
        """(workload, pod template) of everything that makes pods."""
        return [(w, w["spec"]["template"]) for w in self.of(*WORKLOADS)]

    def services(self):
        return [(w, t) for w, t in self.workloads()
                if t["metadata"].get("labels", {}).get("flowstack/kind") == "service"]

    def settings(self):
        found = [c for c in self.of("ConfigMap") if c["metadata"]["name"].startswith("flowstack-settings")]
        return found[0]["data"] if found else {}


def label(document, name):
    return document["metadata"].get("labels", {}).get(name)


def title(document):
    return f"{document['kind']} {document['metadata']['name']}"


def containers(template):
    spec = template["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def environment(container):
    return {e["name"]: e for e in container.get("env", [])}


def selects(selector, labels):
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        if term["operator"] == "In" and labels.get(term["key"]) not in term["values"]:
            return False
    return True


# ---------------------------------------------------------------------------------------- rules
def five_services(r):
    """The five services are StatefulSets with a headless Service each."""
    names = {w["metadata"]["name"] for w, _ in r.services()}
    for name in SERVICES:
        if name not in names:
            yield f"there is no {name}"
    for workload, template in r.services():
        if workload["kind"] != "StatefulSet":
            yield f"{title(workload)} is no StatefulSet"
            continue
        headless = [s for s in r.of("Service") if s["metadata"]["name"] == workload["spec"]["serviceName"]]
        if not headless or headless[0]["spec"].get("clusterIP") != "None":
            yield f"{title(workload)}: its Service {workload['spec']['serviceName']} is not headless"
        elif not selects({"matchLabels": headless[0]["spec"]["selector"]}, template["metadata"]["labels"]):
            yield f"{title(workload)}: its headless Service selects other pods"


def stable_names(r):
    """Each replica is known by its pod's name, and its neighbours by every replica's address."""
    for workload, template in r.services():
        replica = environment(template["spec"]["containers"][0]).get("REPLICA_ID", {})
        if replica.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") != "metadata.name":
            yield f"{title(workload)}: REPLICA_ID is not the pod's name"
    for name in SERVICES:
        address = r.settings().get(f"{name.upper()}_GRPC")
        if address != f"dns:///{name}-replicas:9090":
            yield f"flowstack-settings: {name.upper()}_GRPC is {address} and not the headless Service"


def no_tokens(r):
    """No pod has a token for the API server; each has an account of its own."""
    accounts = {a["metadata"]["name"]: a for a in r.of("ServiceAccount")}
    for workload, template in r.workloads():
        if template["spec"].get("automountServiceAccountToken") is not False:
            yield f"{title(workload)} mounts a token"
        account = template["spec"].get("serviceAccountName")
        if account not in accounts:
            yield f"{title(workload)} has no account of its own"
        elif accounts[account].get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account} mounts tokens"


def restricted(r):
    """Pods are `restricted`, with a read-only root, as user 65532, and the namespace enforces it."""
    for workload, template in r.workloads():
        spec = template["spec"]
        context = spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or context.get("runAsUser") != 65532:
            yield f"{title(workload)} does not run as 65532"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{title(workload)} has no seccomp profile"
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                yield f"{title(workload)} has {field}"
        for volume in spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{title(workload)} mounts a path of its host"
        for container in containers(template):
            box = container.get("securityContext", {})
            if (box.get("allowPrivilegeEscalation") is not False or box.get("readOnlyRootFilesystem") is not True
                    or box.get("capabilities", {}).get("drop") != ["ALL"] or box.get("privileged")
                    or box.get("capabilities", {}).get("add")):
                yield f"{title(workload)}, container {container['name']}: not restricted"
    for space in r.of("Namespace"):
        if label(space, "pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{title(space)} does not enforce `restricted`"


def resources(r):
    """Every container asks for CPU and memory and has a limit on memory."""
    for workload, template in r.workloads():
        for container in containers(template):
            have = container.get("resources", {})
            if not {"cpu", "memory"} <= set(have.get("requests", {})) or "memory" not in have.get("limits", {}):
                yield f"{title(workload)}, container {container['name']}: requests or limits are missing"


def images(r):
    """No image without a tag, none that is `latest`; in production by digest; ours have the release's tag."""
    for workload, template in r.workloads():
        for container in containers(template):
            image = container["image"]
            if r.name == "production":
                if not re.search(r"@sha256:[0-9a-f]{64}$", image):
                    yield f"{title(workload)}: {image} has no digest"
            elif "@sha256:" not in image and not image.endswith(f":{r.version}"):
                yield f"{title(workload)}: {image} has not the tag {r.version}"


def probes(r):
    """Startup and liveness ask /livez, which asks neither store nor bus; readiness asks /readyz."""
    for workload, template in r.services():
        container = template["spec"]["containers"][0]
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path or asked.get("port") != "admin":
                yield f"{title(workload)}: {probe} does not ask {path} of the admin door"


def graceful_end(r):
    """A pod has more time to end than its drain and the time in which endpoints forget it."""
    for workload, template in r.services():
        container = template["spec"]["containers"][0]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = int(environment(container).get("GRACE_MS", {}).get("value", 10**9)) / 1000
        if pause < 3:
            yield f"{title(workload)}: SIGTERM may come before the endpoints have forgotten the pod"
        if template["spec"].get("terminationGracePeriodSeconds", 30) < pause + grace + 5:
            yield f"{title(workload)}: it may be killed while it drains"


def disruption(r):
    """A drained node takes one replica of a service at a time, and replicas are spread over hosts and zones."""
    for workload, template in r.services():
        budgets = [b for b in r.of("PodDisruptionBudget")
                   if selects(b["spec"]["selector"], template["metadata"]["labels"])]
        if len(budgets) != 1 or budgets[0]["spec"].get("maxUnavailable") != 1:
            yield f"{title(workload)}: not one budget that allows one replica to be away"
        keys = {c["topologyKey"] for c in template["spec"].get("topologySpreadConstraints", [])}
        if not {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} <= keys:
            yield f"{title(workload)} is not spread over hosts and zones"


def walls(r):
    """Everything is denied that no policy names, and only gateway and payment reach the internet."""
    policies = r.of("NetworkPolicy")
    if not any(p["spec"]["podSelector"] == {} and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}
               and not p["spec"].get("ingress") and not p["spec"].get("egress") for p in policies):
        yield "nothing denies by default"
    for workload, template in r.services():
        labels = template["metadata"]["labels"]
        name = labels.get("app.kubernetes.io/component")
        outside = False
        for policy in policies:
            if not selects(policy["spec"]["podSelector"], labels):
                continue
            for rule in policy["spec"].get("egress", []):
                if not rule.get("ports"):
                    yield f"{title(policy)}: {name} may use any port"
                if not rule.get("to"):
                    yield f"{title(policy)}: {name} may go anywhere"
                outside |= any(to.get("ipBlock", {}).get("cidr") in INTERNET for to in rule.get("to", []))
            for rule in policy["spec"].get("ingress", []):
                if not rule.get("from") or {} in rule["from"]:
                    yield f"{title(policy)}: anybody may come to {name}"
                if not rule.get("ports"):
                    yield f"{title(policy)}: any port of {name} may be reached"
        if outside != (name in ("gateway", "payment")):
            yield f"{name} {'reaches' if outside else 'does not reach'} the internet"


def secrets_by_reference(r):
    """No secret stands in a pod or in a ConfigMap: files of a Secret, named by NAME_FILE."""
    for workload, template in r.workloads():
        for container in containers(template):
            for name, entry in environment(container).items():
                if SECRET_NAME.search(name):
                    yield f"{title(workload)}: {name} is an environment variable; mount a file and set {name}_FILE"
    for name in r.settings():
        if SECRET_NAME.search(name):
            yield f"flowstack-settings has {name}"
    if r.name in ("staging", "production") and r.of("Secret"):
        yield "a Secret stands in the overlay"
    for workload, template in r.services():
        if template["spec"].get("enableServiceLinks") is not False:
            yield f"{title(workload)}: links to Services may be taken for settings"


def kafka_by_tls(r):
    """Where customers are, Kafka is reached by TLS only, with a password that is a file."""
    if r.name not in ("staging", "production"):
        return
    settings = r.settings()
    if settings.get("KAFKA_SECURITY_PROTOCOL") not in ("ssl", "sasl_ssl"):
        yield "flowstack-settings: Kafka is reached in the clear"
        return
    for name in ("KAFKA_CA_FILE", "KAFKA_SASL_PASSWORD_FILE"):
        path = settings.get(name, "")
        for workload, template in r.services():
            mounts = template["spec"]["containers"][0].get("volumeMounts", [])
            if not any(path.startswith(mount["mountPath"] + "/") for mount in mounts):
                yield f"{title(workload)}: nothing is mounted for {name}={path}"


def labels(r):
    """Every object has the standard labels, every service its version."""
    for document in r.documents:
        if document["kind"] in ("Namespace", "Secret") or document["kind"] == "ConfigMap":
            continue
        if label(document, "app.kubernetes.io/part-of") != "flowstack":
            yield f"{title(document)} has not the label app.kubernetes.io/part-of: flowstack"
    for workload, template in r.services():
        for name, value in (("app.kubernetes.io/version", r.version), ("app.kubernetes.io/name", "flowstack"),
                            ("app.kubernetes.io/component", workload["metadata"]["name"])):
            if template["metadata"]["labels"].get(name) != value:
                yield f"{title(workload)}: its pods have not the label {name}: {value}"


def one_number_of_lanes(r):
    """The services, the migrations and the topics have one number of lanes."""
    lanes = int(r.settings()["LANES"])
    for workload, template in r.workloads():
        for container in containers(template):
            entry = environment(container).get("LANES")
            if entry and int(entry["value"]) != lanes:
                yield f"{title(workload)} has LANES {entry['value']}, the services {lanes}"
    for topic in r.of("KafkaTopic"):
        if topic["spec"]["partitions"] != lanes:
            yield f"{title(topic)} has {topic['spec']['partitions']} partitions, LANES is {lanes}"


def migrations(r):
    """A Job of this release migrates, and refers to nothing that changes within a release."""
    jobs = [j for j in r.of("Job") if label(j, "app.kubernetes.io/component") == "migrate"]
    if [j["metadata"]["name"] for j in jobs] != [f"migrate-{r.version.replace('.', '-')}"]:
        yield f"there is no Job migrate-{r.version.replace('.', '-')}"
    for job in jobs:
        for container in containers(job["spec"]["template"]):
            if container.get("envFrom"):
                yield f"{title(job)} takes all settings, and their name changes"


def kafka_as_elsewhere(r):
    """The development node has the settings of deploy/kafka but for its addresses."""
    for found in r.of("ConfigMap"):
        if not found["metadata"]["name"].startswith("flowstack-kafka"):
            continue
        ours = settings_of(found["data"]["server.properties"])
        theirs = settings_of((r.root / "deploy/kafka/server.properties.in").read_text())
        for name in sorted(set(ours) | set(theirs)):
            if ours.get(name) != theirs.get(name) and name not in (
                    "listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"):
                yield f"server.properties: {name} is {ours.get(name)}, in deploy/kafka {theirs.get(name)}"


def settings_of(text):
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


RULES = [five_services, stable_names, no_tokens, restricted, resources, images, probes, graceful_end, disruption,
         walls, secrets_by_reference, kafka_by_tls, labels, one_number_of_lanes, migrations, kafka_as_elsewhere]


# ------------------------------------------------------------------------------------- controls
def service_of(r, name="gateway"):
    return next((w, t) for w, t in r.services() if w["metadata"]["name"] == name)


def first_policy(r, name):
    return next(p for p in r.of("NetworkPolicy") if p["metadata"]["name"] == name)


def set_at(where, *path_and_value):
    *path, last, value = path_and_value
    for step in path:
        where = where[step]
    if value is None:
        where.pop(last, None)
    else:
        where[last] = value


def container_of(r, name="gateway"):
    return service_of(r, name)[1]["spec"]["containers"][0]


# Each breaks what a rule holds; (rule, what is broken, how).
CONTROLS = [
    (five_services, "a service is missing", lambda r: r.documents.remove(service_of(r, "campaign")[0])),
    (five_services, "a Service has an address", lambda r: set_at(next(
        s for s in r.of("Service") if s["metadata"]["name"] == "payment-replicas"), "spec", "clusterIP", "10.0.0.1")),
    (stable_names, "REPLICA_ID is a number", lambda r: set_at(environment(container_of(r))["REPLICA_ID"],
                                                             "valueFrom", {"fieldRef": {"fieldPath": "metadata.uid"}})),
    (stable_names, "a neighbour is one address", lambda r: set_at(r.settings(), "PAYMENT_GRPC", "payment:9090")),
    (no_tokens, "a token", lambda r: set_at(service_of(r)[1], "spec", "automountServiceAccountToken", True)),
    (no_tokens, "the default account", lambda r: set_at(service_of(r)[1], "spec", "serviceAccountName", None)),
    (restricted, "root", lambda r: set_at(service_of(r)[1], "spec", "securityContext", "runAsUser", 0)),
    (restricted, "a writable root", lambda r: set_at(container_of(r), "securityContext", "readOnlyRootFilesystem", False)),
    (restricted, "a capability", lambda r: set_at(container_of(r), "securityContext", "capabilities", {"add": ["NET_RAW"]})),
    (restricted, "the host's network", lambda r: set_at(service_of(r)[1], "spec", "hostNetwork", True)),
    (restricted, "a lax namespace", lambda r: set_at(r.of("Namespace")[0], "metadata", "labels", {})),
    (resources, "no limit", lambda r: set_at(container_of(r), "resources", "limits", None)),
    (images, "latest", lambda r: set_at(container_of(r), "image", "localhost/flowstack:latest")),
    (probes, "liveness asks the store", lambda r: set_at(container_of(r), "livenessProbe", "httpGet", "path", "/readyz")),
    (probes, "no startup probe", lambda r: set_at(container_of(r), "startupProbe", None)),
    (graceful_end, "killed while draining", lambda r: set_at(service_of(r)[1], "spec", "terminationGracePeriodSeconds", 12)),
    (graceful_end, "no pause", lambda r: set_at(container_of(r), "lifecycle", None)),
    (disruption, "no budget", lambda r: r.documents.remove(next(
        b for b in r.of("PodDisruptionBudget") if b["metadata"]["name"] == "followup"))),
    (disruption, "not spread", lambda r: set_at(service_of(r)[1], "spec", "topologySpreadConstraints", [])),
    (walls, "no default", lambda r: r.documents.remove(first_policy(r, "default-deny"))),
    (walls, "conversation reaches the internet", lambda r: set_at(
        service_of(r, "conversation")[1], "metadata", "labels", "flowstack/internet", "allowed")),
    (walls, "gateway does not", lambda r: r.documents.remove(first_policy(r, "gateway-and-payment-reach-the-internet"))),
    (walls, "anybody comes in", lambda r: set_at(first_policy(r, "services-call-payment"), "spec", "ingress", 0, "from", [])),
    (walls, "any port", lambda r: set_at(first_policy(r, "services-call-payment"), "spec", "ingress", 0, "ports", None)),
    (secrets_by_reference, "a key in the pod", lambda r: container_of(r)["env"].append({"name": "MASTER_KEY", "value": "x"})),
    (secrets_by_reference, "a key in the settings", lambda r: set_at(r.settings(), "ADMIN_KEY", "x")),
    (secrets_by_reference, "links to Services", lambda r: set_at(service_of(r)[1], "spec", "enableServiceLinks", None)),
    (kafka_by_tls, "Kafka in the clear", lambda r: setattr(r, "name", "production")),
    (kafka_by_tls, "no password", lambda r: (setattr(r, "name", "production"), r.settings().update(
        KAFKA_SECURITY_PROTOCOL="sasl_ssl", KAFKA_CA_FILE="/etc/flowstack/secrets/ca.crt",
        KAFKA_SASL_PASSWORD_FILE="/nowhere/password"))),
    (labels, "no label", lambda r: set_at(first_policy(r, "default-deny"), "metadata", "labels", {})),
    (labels, "another version", lambda r: set_at(
        service_of(r)[1], "metadata", "labels", "app.kubernetes.io/version", "0.0.9")),
    (one_number_of_lanes, "the services have more lanes", lambda r: set_at(r.settings(), "LANES", "128")),
    (migrations, "no Job", lambda r: r.documents.remove(next(
        j for j in r.of("Job") if label(j, "app.kubernetes.io/component") == "migrate"))),
    (kafka_as_elsewhere, "another Kafka", lambda r: set_at(next(
        c for c in r.of("ConfigMap") if c["metadata"]["name"].startswith("flowstack-kafka"))["data"],
        "server.properties", "process.roles=broker\n")),
]


def read(root, path):
    documents = [d for d in yaml.safe_load_all(pathlib.Path(path).read_text()) if d]
    return Rendered(root, pathlib.Path(path).stem, documents)


def controls(root, path, schemas):
    wrong = 0
    if {rule for rule, _, _ in CONTROLS} != set(RULES):
        print("a rule has no control")
        wrong += 1
    for rule, what, broken in CONTROLS:
        rendered = read(root, path)
        broken(rendered)
        if not list(rule(rendered)):
            print(f"{rule.__name__} does not find: {what}")
            wrong += 1
    misspelt = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"prots": []}}
    if schemas and not list(schema_findings([misspelt])):
        print("the schemas do not find a misspelt field")
        wrong += 1
    print(f"{len(CONTROLS) + schemas} controls, {wrong} missed")
    return wrong


def schema_findings(documents):
    """Against the published schemas of the API, strictly; kinds of operators have none here."""
    import kubernetes_validate
    for document in documents:
        group = document["apiVersion"].split("/")[0]
        if "." in group and not group.endswith(".k8s.io") or group == "gateway.networking.k8s.io":
            continue
        try:
            kubernetes_validate.validate(copy.deepcopy(document), "1.33", strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{title(document)}: {error.message} at {'.'.join(str(p) for p in error.path)}"


def main(arguments):
    schemas = "--schemas" in arguments
    only_controls = "--controls" in arguments
    root, *paths = [a for a in arguments if not a.startswith("--")]
    root = pathlib.Path(root)
    if only_controls:
        return 1 if controls(root, paths[0], schemas) else 0
    found = 0
    for path in paths:
        rendered = read(root, path)
        findings = [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(rendered)]
        if schemas:
            findings += [f"schema: {finding}" for finding in schema_findings(rendered.documents)]
        for finding in findings:
            print(f"{rendered.name}: {finding}")
        found += len(findings)
        print(f"{rendered.name}: {len(rendered.documents)} objects, {len(RULES)} rules"
              f"{' and the schemas' if schemas else ''}, {len(findings)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
