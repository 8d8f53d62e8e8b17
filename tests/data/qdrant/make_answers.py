#!/usr/bin/env python3
"""Writes answers.json: the schemas of the answers that sightline serves, out of Qdrant's description.

    make_answers.py qdrant-openapi-1.19.0.json

What is served is what docs/qdrant-compatibility.md says.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
LEFT_AWAY = {"description", "example", "examples", "deprecated"}


def stripped(node):
    """`node` without what says nothing about the shape; names of properties all stay."""
    if isinstance(node, list):
        return [stripped(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: stripped(one) for name, one in value.items()}
        elif key not in LEFT_AWAY:
            kept[key] = stripped(value)
    return kept


def references(node):
    if isinstance(node, list):
        for one in node:
            yield from references(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.rsplit("/", 1)[-1]
            else:
                yield from references(value)


def main():
    description = json.loads(pathlib.Path(sys.argv[1]).read_text())
    page = (HERE / "../../../docs/qdrant-compatibility.md").read_text()
    answers, schemas = {}, {}
    for method, path in re.findall(r"^\| ([A-Z]+) `([^`]+)` \| served \|", page, re.MULTILINE):
        answer = description["paths"][path][method.lower()]["responses"].get("200", {})
        content = answer.get("content", {})
        if "application/json" in content:
            answers[f"{method} {path}"] = stripped(content["application/json"]["schema"])
    waiting = list(references(answers))
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            schemas[name] = stripped(description["components"]["schemas"][name])
            waiting += references(schemas[name])
    text = json.dumps({"answers": answers, "schemas": dict(sorted(schemas.items()))}, indent=1)
    (HERE / "answers.json").write_text(text + "\n")


main()
