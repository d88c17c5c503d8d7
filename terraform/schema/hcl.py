"""As much of HCL as check.py needs: blocks, attributes, and the references that an expression makes. Standard library only."""

import re
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(
    r"(?P<comment>(#|//)[^\n]*|/\*.*?\*/)|(?P<newline>\n)|(?P<space>[ \t\r]+)|(?P<ident>[A-Za-z_][\w-]*)"
    r"|(?P<number>\d[\d.]*)|(?P<heredoc><<-?(?P<mark>\w+)\n)|(?P<punct>=>|==|!=|<=|>=|&&|\|\||\.\.\.|.)",
    re.DOTALL,
)
OPENING, CLOSING = "([{", ")]}"


@dataclass
class Token:
    kind: str
    text: str
    line: int
    # Of a string, the tokens of what is interpolated.
    inner: list = field(default_factory=list)


@dataclass
class Attribute:
    name: str
    tokens: list
    line: int


@dataclass
class Block:
    kind: str
    labels: list
    line: int
    attributes: dict = field(default_factory=dict)
    blocks: list = field(default_factory=list)

    def find(self, kind: str) -> list:
        return [block for block in self.blocks if block.kind == kind]


def parse(path: Path) -> Block:
    tokens = Reader(path.read_text(), path).tokens()
    body, rest = read_body(tokens, 0, Block("file", [], 1), path)
    if rest != len(tokens):
        raise SyntaxError(f"{path}:{tokens[rest].line}: unexpected {tokens[rest].text!r}")
    return body


class Reader:
    def __init__(self, text: str, path: Path):
        self.text, self.path, self.at, self.line = text, path, 0, 1

    def tokens(self, until: str = "") -> list:
        """Tokens to the end of the text, or to the closing brace of an interpolation."""
        result, depth = [], 0
        while self.at < len(self.text):
            if self.text[self.at] == '"':
                result.append(self.string('"'))
                continue
            match = TOKEN.match(self.text, self.at)
            kind, text, line = match.lastgroup, match[0], self.line
            kind = "heredoc" if kind == "mark" else kind
            if until and text in OPENING:
                depth += 1
            if until and text in CLOSING:
                if depth == 0 and text == until:
                    self.at += 1
                    return result
                depth -= 1
            self.at, self.line = match.end(), self.line + text.count("\n")
            if kind == "heredoc":
                result.append(self.string(re.compile(rf"^[ \t]*{match['mark']}$", re.MULTILINE)))
            elif kind not in ("space", "comment"):
                result.append(Token(kind, text, line))
        if until:
            raise SyntaxError(f"{self.path}:{self.line}: an interpolation does not end")
        return result

    def string(self, end: object) -> Token:
        token = Token("string", "", self.line)
        self.at += end == '"'
        while True:
            if self.text.startswith(("$${", "%%{"), self.at):
                token.text, self.at = token.text + "${", self.at + 3
            elif self.text.startswith(("${", "%{"), self.at):
                self.at += 2
                token.inner += self.tokens(until="}")
                token.text += "\0"
            elif end == '"' and self.text[self.at] == "\\":
                token.text, self.at = token.text + self.text[self.at : self.at + 2], self.at + 2
            elif end == '"' and self.text[self.at] == '"':
                self.at += 1
                return token
            elif end != '"' and (match := end.match(self.text, self.at)):
                self.at = match.end()
                return token
            else:
                self.line += self.text[self.at] == "\n"
                token.text, self.at = token.text + self.text[self.at], self.at + 1


def read_body(tokens: list, at: int, block: Block, path: Path) -> tuple:
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "newline" or token.text == ",":
            at += 1
        elif token.text == "}":
            return block, at
        elif token.kind == "ident" and tokens[at + 1].text == "=":
            start = at + 2
            at = end_of_expression(tokens, start)
            if token.text in block.attributes:
                raise SyntaxError(f"{path}:{token.line}: {token.text} stands there twice")
            block.attributes[token.text] = Attribute(token.text, tokens[start:at], token.line)
        elif token.kind == "ident":
            inner, at = Block(token.text, [], token.line), at + 1
            while tokens[at].text != "{" or tokens[at].kind == "string":
                inner.labels.append(tokens[at].text)
                at += 1
            _, at = read_body(tokens, at + 1, inner, path)
            block.blocks.append(inner)
            at += 1
        else:
            raise SyntaxError(f"{path}:{token.line}: unexpected {token.text!r}")
    return block, at


def end_of_expression(tokens: list, at: int) -> int:
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "punct" and token.text in OPENING:
            depth += 1
        elif token.kind == "punct" and token.text in CLOSING:
            if depth == 0:
                return at
            depth -= 1
        elif token.kind == "newline" and depth == 0:
            return at
        at += 1
    return at


@dataclass
class Reference:
    steps: list
    line: int

    def __str__(self) -> str:
        return ".".join(self.steps)


def references(tokens: list, bound: frozenset = frozenset()) -> list:
    """What an expression refers to: paths with a dot. Indices are left out; names that a `for` binds are not references."""
    bound = bound | names_bound(tokens)
    result, at = [], 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "string":
            result += references(token.inner, bound)
        previous = tokens[at - 1].text if at else ""
        if token.kind == "ident" and previous != ".":
            steps, end = path_from(tokens, at)
            if len(steps) > 1 and steps[0] not in bound:
                result.append(Reference(steps, token.line))
            # What stands in an index is an expression of its own.
        at += 1
    return result


def names_bound(tokens: list) -> frozenset:
    names = set()
    for at, token in enumerate(tokens):
        if token.kind == "ident" and token.text == "for":
            end = next(place for place in range(at, len(tokens)) if tokens[place].text == "in")
            names |= {it.text for it in tokens[at + 1 : end] if it.kind == "ident"}
        names |= names_bound(token.inner)
    return frozenset(names)


def path_from(tokens: list, at: int) -> tuple:
    steps, at = [tokens[at].text], at + 1
    while at < len(tokens):
        if tokens[at].text == "." and at + 1 < len(tokens) and tokens[at + 1].kind == "ident":
            steps.append(tokens[at + 1].text)
            at += 2
        elif tokens[at].text == "[" and tokens[at].kind == "punct":
            depth, at = 1, at + 1
            while depth:
                depth += (tokens[at].text in OPENING) - (tokens[at].text in CLOSING) if tokens[at].kind == "punct" else 0
                at += 1
        else:
            break
    return steps, at
