"""Prints an OpenAPI document without what is only said to people: baseline.py <openapi.json>."""

import json
import sys

PROSE = {"description", "summary", "example", "examples"}


def without_prose(value, names_are_ours=False):
    """names_are_ours: the members of `value` are properties, schemas or paths, whatever they are called."""
    if isinstance(value, list):
        return [without_prose(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = ("properties", "schemas", "paths", "responses", "parameters", "headers")
    kept = {
        name: without_prose(member, name in named and not names_are_ours)
        for name, member in value.items()
        if names_are_ours or name not in PROSE
    }
    # A response must say something.
    if "description" in value and ("content" in value or "headers" in value) and "schema" not in value:
        kept["description"] = "-"
    return kept


document = without_prose(json.load(open(sys.argv[1])))
print(json.dumps(document, indent=1, sort_keys=True))
