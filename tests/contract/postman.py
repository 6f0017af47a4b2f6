"""Judges a run of docs/api/postman.json by newman: postman.py <newman's JSON report>.

Each request's own test says whether its status is one that the document names. Here: every request was
answered, and everything that /v1 only reads is there, because the requests before have made or found it.
"""

import collections
import json
import sys

run = json.load(open(sys.argv[1]))["run"]
findings = [f"{each['source']['name']}: {each['error']['message']}" for each in run["failures"]]
statuses = collections.Counter()
reads = 0
for each in run["executions"]:
    request = each["request"]
    path = "/" + "/".join(request["url"]["path"])
    status = each.get("response", {}).get("code")
    statuses[f"{status // 100}xx" if status else "none"] += 1
    if not status:
        findings.append(f"{request['method']} {path} was not answered")
    elif request["method"] == "GET" and path.startswith("/v1/"):
        reads += 1
        if status != 200:
            findings.append(f"GET {path} was answered with {status}")
for finding in findings:
    print("postman: " + finding)
words = ", ".join(f"{count} {kind}" for kind, count in sorted(statuses.items()))
print(f"postman: {sum(statuses.values())} requests ({words}), {reads} reads of /v1, {len(findings)} findings")
# A collection that asks little finds little.
sys.exit(1 if findings or reads < 30 or statuses["2xx"] < 70 else 0)
