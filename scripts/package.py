#!/usr/bin/env python3
"""Puts a compiled function into the zip that Lambda takes: one executable named `bootstrap`. Beside it, in the functions
that run GraphQL operations, the list of the only ones that may run, where there is one: functions/graphql/safelist.json.

    package.py ARCHITECTURE FOLDER FUNCTION BINARY

Writes FOLDER/FUNCTION.zip and the function's entry in FOLDER/manifest.json, which Terraform checks, and prints both sizes.
Times and modes are fixed: equal code gives an equal zip.
"""
import base64
import hashlib
import json
import os
import sys
import zipfile

# What Lambda takes in a direct upload, and of what is unpacked.
MAX_ZIP, MAX_UNPACKED = 50 * 1024 * 1024, 250 * 1024 * 1024
# The earliest time that a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX, EXECUTABLE, READABLE = 3, 0o100755, 0o100644
# The functions that run operations, and their list.
LISTED = ("graphql", "subscriptions")
SAFELIST = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "functions", "graphql", "safelist.json")


def main(architecture, folder, function, binary):
    with open(binary, "rb") as file:
        code = file.read()
    path = os.path.join(folder, function + ".zip")
    os.makedirs(folder, exist_ok=True)
    write(path, zipped(contents(function, code)))
    with open(path, "rb") as file:
        packed = file.read()
    note(folder, architecture, function, packed)
    print(f"{function}\t{len(code)}\t{len(packed)}")
    if len(packed) > MAX_ZIP or len(code) > MAX_UNPACKED:
        sys.exit(f"{path}: too large for Lambda, which takes 50 MiB zipped and 250 MiB unpacked")


def contents(function, code):
    files = [("bootstrap", EXECUTABLE, code)]
    if function in LISTED and os.path.exists(SAFELIST):
        with open(SAFELIST, "rb") as file:
            files.append(("safelist.json", READABLE, file.read()))
    return files


def zipped(files):
    def fill(file):
        with zipfile.ZipFile(file, "w") as archive:
            for name, mode, content in files:
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.create_system, entry.external_attr = UNIX, mode << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)

    return fill


def note(folder, architecture, function, packed):
    path = os.path.join(folder, "manifest.json")
    try:
        with open(path, encoding="utf-8") as file:
            functions = json.load(file)["functions"]
    except FileNotFoundError:
        functions = {}
    sha256 = base64.b64encode(hashlib.sha256(packed).digest()).decode()
    functions[function] = {"sha256": sha256, "bytes": len(packed)}
    # What was deleted is not there any more.
    there = {name: functions[name] for name in sorted(functions) if os.path.exists(os.path.join(folder, name + ".zip"))}
    text = json.dumps({"architecture": architecture, "functions": there}, indent=2) + "\n"
    write(path, lambda file: file.write(text.encode()))


def write(path, fill):
    """Whole or not at all."""
    with open(path + ".new", "wb") as file:
        fill(file)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
