#!/usr/bin/env python3
"""Checks this folder without its providers: that every argument of every resource is one that the provider takes, that what
is required is there, and that every reference leads somewhere. `terraform validate` does more, and needs the providers.

    python3 check.py [FOLDER]     # exits with 1 where there is something to say

aws.json says what the provider takes; extract.py makes it.
"""

import json
import sys
from pathlib import Path

from hcl import Block, parse, references

HERE = Path(__file__).resolve().parent
META_ARGUMENTS = {"count", "for_each", "depends_on", "provider"}
META_BLOCKS = {"lifecycle", "provisioner", "connection"}
ALWAYS = {"each", "count", "path", "terraform", "self"}
KINDS = {"resource": 2, "data": 2, "ephemeral": 2, "module": 1, "variable": 1, "output": 1}


class Module:
    """A folder of Terraform files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = {path: parse(path) for path in sorted(folder.glob("*.tf"))}
        self.blocks = [(path, block) for path, file in self.files.items() for block in file.blocks]
        self.locals = {
            name: (path, attribute)
            for path, block in self.blocks if block.kind == "locals"
            for name, attribute in block.attributes.items()
        }
        self.used = {"var": set(), "local": set()}

    def named(self, kind: str) -> dict:
        return {block.labels[-1]: block for _, block in self.blocks if block.kind == kind}

    def declared(self) -> dict:
        return {(block.kind, *block.labels): block for _, block in self.blocks if block.kind in KINDS}


class Check:
    def __init__(self, root: Path):
        self.root = root
        self.schema = json.loads((HERE / "aws.json").read_text())["types"]
        self.problems = []
        self.modules = {}
        self.outputs_read = set()

    def say(self, path: Path, line: int, problem: str) -> None:
        self.problems.append(f"{path.relative_to(self.root)}:{line}: {problem}")

    def module(self, folder: Path) -> Module:
        if folder not in self.modules:
            self.modules[folder] = Module(folder)
            self.check(self.modules[folder])
        return self.modules[folder]

    def run(self) -> list:
        root = self.module(self.root)
        for folder in sorted((self.root / "modules").iterdir()):
            if folder not in self.modules:
                self.problems.append(f"modules/{folder.name}: no module calls it")
        for folder, module in self.modules.items():
            if folder != self.root:
                for name, block in module.named("output").items():
                    if (folder, name) not in self.outputs_read:
                        self.say(folder / "outputs.tf", block.line, f"nobody reads output {name}")
        for path in sorted((self.root / "environments").glob("*.tfvars")):
            self.values(path, root)
        return sorted(set(self.problems))

    # One module.

    def check(self, module: Module) -> None:
        seen = set()
        for path, block in module.blocks:
            if block.kind in KINDS:
                key = (block.kind, *block.labels)
                if key in seen:
                    self.say(path, block.line, f"{' '.join(key)} stands there twice")
                seen.add(key)
            if block.kind in ("resource", "data", "ephemeral"):
                self.typed(path, block)
            elif block.kind == "module":
                self.call(module, path, block)
            elif block.kind in ("variable", "output"):
                required = {"description"} | ({"type"} if block.kind == "variable" else {"value"})
                for name in sorted(required - block.attributes.keys()):
                    self.say(path, block.line, f"{block.kind} {block.labels[0]} has no {name}")
            elif block.kind not in ("locals", "terraform", "provider"):
                self.say(path, block.line, f"unknown block {block.kind}")
            self.walk(module, path, block, frozenset(), block)
        for name, block in module.named("variable").items():
            if name not in module.used["var"]:
                self.say(module.folder / "variables.tf", block.line, f"nobody reads var.{name}")
        for name, (path, attribute) in module.locals.items():
            if name not in module.used["local"]:
                self.say(path, attribute.line, f"nobody reads local.{name}")

    # Arguments.

    def typed(self, path: Path, block: Block) -> None:
        name = f"{block.kind} {block.labels[0]}"
        if name not in self.schema:
            self.say(path, block.line, f"{name} is not in aws.json: run extract.py")
            return
        self.arguments(path, block, self.schema[name]["arguments"], f"{block.labels[0]}.{block.labels[1]}", top=True)

    def arguments(self, path: Path, block: Block, known: dict, where: str, top: bool = False) -> None:
        given = {}
        for name, attribute in block.attributes.items():
            if top and name in META_ARGUMENTS:
                continue
            if name not in known:
                self.say(path, attribute.line, f"{where} has no argument {name}")
            elif isinstance(known[name], dict):
                self.say(path, attribute.line, f"{where}: {name} is a block")
            else:
                given[name] = 1
                self.literal(path, attribute, known[name].rstrip("!"), where)
        for inner in block.blocks:
            if top and inner.kind in META_BLOCKS:
                continue
            dynamic = inner.kind == "dynamic"
            name = inner.labels[0] if dynamic else inner.kind
            if not isinstance(known.get(name), dict):
                self.say(path, inner.line, f"{where} has no block {name}")
                continue
            given[name] = given.get(name, 0) + 1
            if given[name] > 1 and not known[name]["repeated"]:
                self.say(path, inner.line, f"{where}: only one {name}")
            for body in inner.find("content") if dynamic else [inner]:
                self.arguments(path, body, known[name]["arguments"], f"{where}.{name}")
        for name, what in known.items():
            required = what["required"] if isinstance(what, dict) else what.endswith("!")
            if required and name not in given:
                self.say(path, block.line, f"{where} lacks {name}")

    def literal(self, path: Path, attribute, kind: str, where: str) -> None:
        """A literal that cannot become what the argument is."""
        tokens = [token for token in attribute.tokens if token.kind != "newline"]
        if not tokens:
            return
        first = tokens[0]
        shape = "list" if first.text == "[" else "map" if first.text == "{" else None
        if shape is None and len(tokens) == 1 and not first.inner:
            shape = "bool" if first.text in ("true", "false") else first.kind
        wrong = {
            "list": shape in ("string", "number", "bool"),
            "map": shape in ("string", "number", "bool", "list"),
            "number": shape in ("list", "map", "bool") or (shape == "string" and not first.text.isdigit()),
            "bool": shape in ("list", "map", "number") or (shape == "string" and first.text not in ("true", "false")),
            "string": shape in ("list", "map"),
        }
        if wrong.get(kind, False):
            self.say(path, attribute.line, f"{where}: {attribute.name} is a {kind}, not a {shape}")

    # Calls of modules.

    def call(self, module: Module, path: Path, block: Block) -> None:
        source = block.attributes["source"].tokens[0].text
        folder = (module.folder / source).resolve()
        if not folder.is_dir():
            self.say(path, block.line, f"module {block.labels[0]}: there is no {source}")
            return
        variables = self.module(folder).named("variable")
        given = block.attributes.keys() - META_ARGUMENTS - {"source", "providers"}
        for name in sorted(given - variables.keys()):
            self.say(path, block.attributes[name].line, f"module {block.labels[0]} has no variable {name}")
        for name, variable in variables.items():
            if "default" not in variable.attributes and name not in given:
                self.say(path, block.line, f"module {block.labels[0]} lacks {name}")

    # References.

    def walk(self, module: Module, path: Path, block: Block, bound: frozenset, top: Block) -> None:
        if block.kind == "dynamic":
            bound = bound | {block.labels[0]}
        for attribute in block.attributes.values():
            if attribute.name == "ignore_changes" or (block.kind == "variable" and attribute.name == "type"):
                continue
            for reference in references(attribute.tokens, bound):
                self.resolve(module, path, reference, top)
        for inner in block.blocks:
            if block.kind != "terraform":
                self.walk(module, path, inner, bound, top)

    def resolve(self, module: Module, path: Path, reference, top: Block) -> None:
        root, name, *rest = reference.steps
        say = lambda problem: self.say(path, reference.line, f"{reference}: {problem}")
        if root in ("var", "local"):
            names = module.named("variable") if root == "var" else module.locals
            module.used[root].add(name)
            if name not in names:
                say(f"there is no such {'variable' if root == 'var' else 'local value'}")
        elif root == "module":
            called = module.named("module").get(name)
            if called is None:
                say("no such module is called")
                return
            folder = (module.folder / called.attributes["source"].tokens[0].text).resolve()
            if rest:
                self.outputs_read.add((folder, rest[0]))
                if rest[0] not in self.module(folder).named("output"):
                    say(f"the module has no output {rest[0]}")
            elif folder.is_dir() and "for_each" in called.attributes or "count" in called.attributes:
                # Whole instances are handed on: what is read of them is not followed.
                self.outputs_read |= {(folder, output) for output in self.module(folder).named("output")}
        elif root in ("data", "ephemeral"):
            self.attribute(module, (root, name, *rest[:1]), rest[1:], say)
        elif root.startswith(("aws_", "random_")):
            self.attribute(module, ("resource", root, name), rest, say)
        elif root == "each" and "for_each" not in top.attributes or root == "count" and "count" not in top.attributes:
            say(f"the block has no {'for_each' if root == 'each' else 'count'}")
        elif root not in ALWAYS:
            say("nothing is called so")

    def attribute(self, module: Module, key: tuple, rest: list, say) -> None:
        if key not in module.declared():
            say("there is no such " + key[0])
        elif rest and (known := self.schema.get(f"{key[0]} {key[1]}")):
            if rest[0] not in {"id", *known["arguments"], *known["attributes"]}:
                say(f"{key[1]} has no attribute {rest[0]}")

    # Values of an environment.

    def values(self, path: Path, root: Module) -> None:
        given, variables = parse(path).attributes, root.named("variable")
        for name in sorted(given.keys() - variables.keys()):
            self.say(path, given[name].line, f"there is no variable {name}")
        for name, variable in variables.items():
            if "default" not in variable.attributes and name not in given:
                self.say(path, 1, f"{name} is not set")


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent).resolve()
    check = Check(root)
    problems = check.run()
    for problem in problems:
        print(problem)
    count = sum(1 for module in check.modules.values() for _, block in module.blocks if block.kind in ("resource", "data", "ephemeral"))
    print(f"{len(check.modules)} modules, {count} resources, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
