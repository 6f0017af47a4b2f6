"""deploy/compose without an engine: compose.yaml is held to the published schema and to its own rules, each program reads the
settings that its container would have, and each rule is broken once to see that it is found.

  compose.py <repository> <folder of the programs>

Status 1 when something is found. What only an engine can tell (that it starts) is `check_compose`'s to try.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

SERVICES = ("gateway", "conversation", "payment", "followup", "campaign")
OUTSIDE = {"gateway", "payment", "caddy"}  # who may reach the internet
SECRET_WORDS = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|APPS|DATABASE_URL|MIGRATE_URL")


def problems_of(compose, schema):
    """What is wrong with a compose file, one line each."""
    found = [
        f"schema: {'/'.join(map(str, error.path))}: {error.message[:200]}"
        for error in jsonschema.Draft7Validator(schema).iter_errors(compose)
    ]
    services, networks = compose["services"], compose["networks"]
    for name, service in services.items():
        image = service.get("image", "")
        rules = {
            "a read-only root": service.get("read_only") is True,
            "no capability": service.get("cap_drop") == ["ALL"]
            and (name == "caddy" or "cap_add" not in service),
            "a user that is not root": service.get("user", "").startswith("65532"),
            "no-new-privileges": "no-new-privileges:true" in service.get("security_opt", []),
            "an image of a release": ":" in image and not image.endswith(":latest"),
            "a log that is rotated": "max-size" in service.get("logging", {}).get("options", {}),
            "a restart policy": "restart" in service,
            "no more than its own part of the host": not service.get("privileged")
            and service.get("network_mode", "none") == "none"
            and not any("docker.sock" in str(volume) for volume in service.get("volumes", [])),
        }
        found += [f"{name}: {rule}" for rule, holds in rules.items() if not holds]
        ways_out = [n for n in service.get("networks", []) if not networks[n].get("internal")]
        if ways_out and name not in OUTSIDE:
            found.append(f"{name}: reaches the internet by {ways_out}")
        if service.get("ports") and name != "caddy":
            found.append(f"{name}: is published")
        for setting, value in service.get("environment", {}).items():
            if SECRET_WORDS.search(setting) and not setting.endswith("_FILE"):
                found.append(f"{name}: {setting} is a secret and no file")
            if setting.endswith("_FILE") and SECRET_WORDS.search(setting):
                if value.rsplit("/", 1)[-1] not in targets(service):
                    found.append(f"{name}: {setting} names {value}, which it does not get")
    for name in SERVICES:
        service = services[name]
        if service.get("healthcheck", {}).get("test", [""])[0] != "CMD":
            found.append(f"{name}: no health check that does without a shell")
        if service["depends_on"]["migrate"]["condition"] != "service_completed_successfully":
            found.append(f"{name}: does not wait for the migrations")
    return found


def targets(service):
    """Secret files of a container: name below /run/secrets → name of the secret."""
    named = {}
    for secret in service.get("secrets", []):
        if isinstance(secret, str):
            named[secret] = secret
        else:
            named[secret["target"]] = secret["source"]
    return named


def settings_problems(compose, programs, state):
    """Each program reads the environment of its container, with the secrets that prepare.sh made."""
    found = []
    for name in SERVICES:
        service = compose["services"][name]
        environment = {}
        for setting, value in service["environment"].items():
            value = value.replace("${FLOWSTACK_HOST:?the host name of this server}", "shop.example.com")
            value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
            if value.startswith("/run/secrets/"):
                secret = targets(service)[value.removeprefix("/run/secrets/")]
                value = str(state / pathlib.Path(compose["secrets"][secret]["file"]).relative_to("state"))
            environment[setting] = value
        environment["PACKS_DIR"] = "packs"
        done = subprocess.run([programs / f"flowstack-{name}", "--print-config"], env=environment,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            found.append(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
    return found


def broken(compose):
    """Compose files with one rule broken each, and a word of what must be found."""
    def change(word, path, value):
        one = copy.deepcopy(compose)
        at = one
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        return word, one

    yield change("schema", ("services", "gateway", "no_such_key"), 1)
    yield change("read-only", ("services", "campaign", "read_only"), False)
    yield change("capability", ("services", "kafka", "cap_drop"), [])
    yield change("not root", ("services", "postgres", "user"), "0")
    yield change("no-new-privileges", ("services", "followup", "security_opt"), [])
    yield change("image", ("services", "gateway", "image"), "flowstack:latest")
    yield change("rotated", ("services", "payment", "logging"), {"driver": "json-file"})
    yield change("own part", ("services", "payment", "privileged"), True)
    yield change("reaches the internet", ("services", "conversation", "networks"), ["internet"])
    yield change("reaches the internet", ("networks", "stores"), {})
    yield change("published", ("services", "gateway", "ports"), ["8080:8080"])
    yield change("secret and no file", ("services", "gateway", "environment", "ADMIN_KEY"), "x")
    yield change("does not get", ("services", "gateway", "secrets"), ["internal-key"])
    yield change("health check", ("services", "campaign", "healthcheck"), {"test": "curl localhost"})


def kafka_problems(root):
    """The node's settings are deploy/kafka's but for addresses."""
    def read(path):
        return dict(line.split("=", 1) for line in path.read_text().splitlines() if line and line[0] != "#")

    here = read(root / "deploy/compose/kafka.properties")
    there = read(root / "deploy/kafka/server.properties.in")
    own = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    return [f"kafka.properties: {key} is {here.get(key)}, deploy/kafka says {there.get(key)}"
            for key in sorted(set(here) | set(there)) if key not in own and here.get(key) != there.get(key)]


def main():
    root, programs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    schema = json.loads((root / "tests/deploy/compose-spec/compose-spec.json").read_text())
    compose = yaml.safe_load((root / "deploy/compose/compose.yaml").read_text())
    found = problems_of(compose, schema) + kafka_problems(root)
    with tempfile.TemporaryDirectory() as folder:
        state = pathlib.Path(folder) / "state"
        # Its chown is root's; what it makes is looked at either way.
        made = subprocess.run([root / "deploy/compose/prepare.sh", state], capture_output=True, text=True, check=False)
        if made.returncode != 0 and os.geteuid() == 0:
            found.append(f"prepare.sh: {made.stderr}")
        for name, secret in compose["secrets"].items():
            file = state / pathlib.Path(secret["file"]).relative_to("state")
            if not file.is_file() or file.stat().st_mode & 0o077:
                found.append(f"prepare.sh: the secret {name} is not there, or others may read it")
        if programs.is_dir():
            found += settings_problems(compose, programs, state)
    tried = 0
    for word, one in broken(compose):
        tried += 1
        if not any(word in problem for problem in problems_of(one, schema)):
            found.append(f"a file with a broken rule is not found: {word}")
    for problem in found:
        print(f"compose: {problem}")
    print(f"compose: {len(compose['services'])} containers, {tried} broken files, {len(found)} findings")
    return 1 if found else 0


sys.exit(main())
