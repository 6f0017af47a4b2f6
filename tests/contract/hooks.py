"""What schemathesis needs to know of a running stack: ids that exist, so that calls go deep.

FLOWSTACK_API is the gateway's address, FLOWSTACK_API_KEY the operators' key. The stack has the demo
shop and one purchase; see tools/dev/api.sh.
"""

import copy
import datetime
import hashlib
import hmac
import json
import os
import urllib.request

import jsonschema_rs
import schemathesis
from schemathesis.core import NotSet
from schemathesis.core.parameters import ParameterLocation

API = os.environ["FLOWSTACK_API"]
KEY = os.environ["FLOWSTACK_API_KEY"]
TENANT = "demo"

# Variable of a path → list that has it, and its member.
LISTS = {
    "channel": "channels",
    "contact": "contacts",
    "message": "messages",
    "conversation": "conversations",
    "customer": "customers",
    "product": "products",
    "order": "orders",
    "invoice": "invoices",
    "payment": "payments",
    "task": "tasks",
    "campaign": "campaigns",
    "template": "templates",
    "flow": "flows",
}


def call(method, path, body=None):
    request = urllib.request.Request(
        API + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def names(path, member):
    return [item["name"].rsplit("/", 1)[1] for item in call("GET", path).get(member, [])]


def soon():
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def known_ids():
    base = "/v1/tenants/" + TENANT
    ids = {variable: names(f"{base}/{collection}", collection) for variable, collection in LISTS.items()}

    def made(variable, path, body):
        name = call("POST", path, body)["name"]
        ids.setdefault(variable, []).append(name.rsplit("/", 1)[1])

    # What the purchase did not make. Lists would show it a moment later.
    made("campaign", base + "/campaigns", {"displayName": "contract", "body": "Hello {{name}}"})
    made("task", base + "/tasks", {"customerId": ids["customer"][0], "dueTime": soon(), "text": "See you"})
    made("apiKey", base + "/apiKeys", {"displayName": "contract"})
    variant = {"language": "en", "body": "Hello"}
    key = "contract-" + os.urandom(4).hex()
    made("template", base + "/templates", {"template": {"templateKey": key, "kind": "text", "variants": [variant]}})
    rule = {"match": {"type": "contains", "values": ["hello"]}, "action": {"type": "send_template", "templateKey": key}}
    document = {"flows": [{"id": "hello", **rule}], "fallbackTemplateKey": key}
    made("flow", base + "/flows", {"flowKey": "contract", "document": document})
    ids["tenant"] = [TENANT]
    ids["providerAccount"] = ["mpesa"]
    ids["webhook"] = names("/v1/webhooks", "webhooks")
    ids["id"] = ids["conversation"] + ids["order"] + ids["invoice"] + ids["campaign"]
    ids["key"] = ids["template"]
    return ids


IDS = known_ids()


def chosen(name, value):
    """An id that exists for three of four made-up ones, always the same for the same one."""
    known = IDS.get(name)
    digest = hashlib.sha256(str(value).encode()).digest()
    return known[digest[1] % len(known)] if known and digest[0] % 4 else value


# protobuf JSON takes more than a schema should tell people to send: null for what is absent, a number
# as text and the other way round, an enum by its number, a list in a list.
def lenient(schema):
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: lenient(each) for name, each in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if name in schema:
            made[name] = lenient(schema[name])
    if "items" in made:
        made["items"] = {"anyOf": [made["items"], {"type": "array", "items": made["items"]}]}
    also = [{"type": "null"}]
    if schema.get("type") == "integer":
        also.append({"type": ["number", "string"]})
    elif schema.get("type") == "boolean":
        also.append({"enum": ["true", "false"]})
    elif schema.get("format") == "date-time":
        also.append({"type": "object"})
    elif schema.get("type") == "string" and ("pattern" in schema or "enum" in schema):
        also.append({"type": "number"})
    return {"anyOf": [made, *also]} if "type" in schema or "$ref" in schema else made


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = copy.deepcopy(raw_schema["components"]["schemas"])
    LENIENT["components"] = {"schemas": {name: lenient(schema) for name, schema in schemas.items()}}
    for path in raw_schema["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                BODIES[operation["operationId"]] = content["schema"]
    # Clients must expect new members; this build must not answer with one that it does not describe.
    for schema in raw_schema["components"]["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)


LENIENT = {}
BODIES = {}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    kind = type(failure).__name__
    # No schema can say which page tokens were signed here.
    if kind == "RejectedPositiveData" and b'"reason":"PAGE_TOKEN_INVALID"' in response.content:
        return False
    # A body that is the same as one that fits, by the rules of protobuf JSON, is accepted rightly.
    if kind != "AcceptedNegativeData":
        return True
    body = BODIES.get(case.operation.definition.raw.get("operationId"))
    if body is None or case.meta is None or not case.meta.is_negative_at(ParameterLocation.BODY):
        return True
    if isinstance(case.body, (bytes, NotSet)):
        return True
    return not jsonschema_rs.validator_for({**LENIENT, "allOf": [body]}).is_valid(case.body)


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    if meta is None or meta.is_negative_at(ParameterLocation.PATH):
        return
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = chosen(name, value)
    if case.query and "businessId" in case.query and not meta.is_negative_at(ParameterLocation.QUERY):
        case.query["businessId"] = chosen("tenant", case.query["businessId"])
    operation = case.operation.definition.raw.get("operationId", "")
    if operation.startswith("verifyWebhook") and not meta.is_negative_at(ParameterLocation.QUERY):
        case.query["hub.mode"] = "subscribe"
        case.query["hub.verify_token"] = os.environ["META_VERIFY_TOKEN"]
    if operation.startswith("receiveWebhook") and not meta.is_negative_at(ParameterLocation.HEADER):
        # Signed as Meta does, over the bytes that are sent.
        body = b"" if isinstance(case.body, NotSet) else json.dumps(case.body).encode()
        digest = hmac.new(os.environ["META_APP_SECRET"].encode(), body, hashlib.sha256).hexdigest()
        case.headers["X-Hub-Signature-256"] = "sha256=" + digest
        kwargs["data"] = body
