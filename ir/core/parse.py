"""Text to graph: what text.py prints. A line that starts with `#` says something to people."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from .dims import Dim
from .dims import parse as parse_dimension
from .graph import Atom, Block, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Shift, Site, Terminator, Var
from .text import KEEPS, NANS, PIECES, READ_ONLY, THREADS
from .types import BOOL, CODE, NUMPY_DTYPES, PTR, SCALARS, Array, Scalar, Struct, Type, is_float, pair

T = TypeVar("T")
TYPES = {**SCALARS, PTR.name: PTR, CODE.name: CODE}


def parse(text: str, constants: Sequence[Any] = (), recipes: Sequence[Any] = ()) -> Program:
    """The program that `show` printed, with these for what it does not spell: the captured arrays, in their order, and what `host`
    operations do. Raises ValueError with the line and what should stand there."""
    lines = [_Line(line, n) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    program = Program({}, "", [], list(recipes))
    structs: dict[str, Struct] = {}
    while lines:
        line = lines.pop(0)
        if line.skip(KEEPS):
            program.keeps = True
        elif line.skip(READ_ONLY):
            program.read_only = tuple(line.list(line.number))
        elif line.skip("type "):
            struct = _struct(line, structs)
            structs[struct.name] = struct
        elif line.skip(PIECES):
            program.pieces = line.python()
        elif line.skip(THREADS):
            program.threads = line.number()
        elif line.skip(NANS):
            program.nans = True
        elif line.skip("constant "):
            program.constants.append(_constant(line, constants[len(program.constants) :]))
        else:
            end = next((i for i, x in enumerate(lines) if x.text == "}"), None)
            f = _Function(line, lines[:end], structs).function
            if end is None:
                line.fail("expected a line `}` at the end of the function")
            program.functions[f.name] = f
            del lines[: end + 1]
        line.end()
    if not program.functions:
        raise ValueError("line 1: expected a function, `fn name(..) -> (..) {`")
    program.entry = next(iter(program.functions))
    for dims in re.findall(rf"\b(?:{'|'.join(SCALARS)})\[([^\]]*)\]", text):
        program.symbols.reserve(dims)
    return program


def _struct(line: _Line, known: dict[str, Struct]) -> Struct:
    """A type of memory: fields by name."""
    name = line.name("the name of a type of memory")
    line.need(" = {")

    def one() -> tuple[str, Any]:
        key = line.name("the name of a field")
        line.need(": ")
        return key, line.memory(known)

    return Struct(name, tuple(line.list(one, "}")))


def _constant(line: _Line, given: Sequence[Any]) -> Any:
    t = line.type()
    if isinstance(t, Array) and line.skip(" = "):
        return np.array(line.python(), NUMPY_DTYPES[t.dtype]).reshape(t.dims)
    if not given:
        line.fail("expected `= [..]`: the values of this array are not in the text, and were not given")
    return given[0]


def _not_finite(text: str) -> Any:
    """A float, or nested lists of floats, some of which Python has no literal for."""
    if not text.startswith("["):
        return float(text)
    return json.loads(text.replace("inf", "Infinity").replace("nan", "NaN"))


class _Line:
    """A line, and how far it has been read."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.place, self.at = text.rstrip(), number, 0

    def fail(self, what: str) -> NoReturn:
        raise ValueError(f"line {self.place}: {what}, not {self.text[self.at :]!r}  [{self.text.strip()}]")

    def skip(self, text: str) -> bool:
        """Go past this text if it stands here."""
        here = self.text.startswith(text, self.at)
        self.at += len(text) * here
        return here

    def need(self, text: str) -> None:
        if not self.skip(text):
            self.fail(f"expected `{text.strip() or text}`")

    def take(self, pattern: str, what: str) -> str:
        m = re.compile(pattern).match(self.text, self.at)
        if not m:
            self.fail(f"expected {what}")
        self.at = m.end()
        return m.group()

    def number(self) -> int:
        return int(self.take(r"\d+", "a number"))

    def end(self) -> None:
        if self.at < len(self.text):
            self.fail("expected the end of the line")

    def list(self, one: Callable[[], T], end: str = "") -> list[T]:
        """`one`, and more after commas, up to `end`."""
        found: list[T] = []
        while not (self.skip(end) if end else self.at == len(self.text)):
            if found:
                self.need(", ")
            found.append(one())
        return found

    def python(self, ends: str = "") -> Any:
        """A Python literal, up to one of the characters in `ends` that stands in no brackets and quotes."""
        start, depth = self.at, 0
        while self.at < len(self.text) and (depth or self.text[self.at] not in ends):
            quoted = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"").match(self.text, self.at)
            depth += (self.text[self.at] in "([{") - (self.text[self.at] in ")]}")
            self.at = quoted.end() if quoted else self.at + 1
        text = self.text[start : self.at]
        if text in SCALARS:
            return SCALARS[text]
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            pass
        try:
            return _not_finite(text)
        except ValueError:
            self.at = start
            self.fail("expected a Python literal")

    def string(self) -> str:
        return str(json.loads(self.take(r'"(?:[^"\\]|\\.)*"', "a string in double quotes")))

    def name(self, what: str) -> str:
        return self.take(r"[\w.]+", what)

    def scalar(self) -> Scalar:
        return TYPES[self.take(rf"(?:{'|'.join(TYPES)})\b", f"a type, one of {', '.join(SCALARS)}")]

    def memory(self, structs: dict[str, Struct]) -> Any:
        """A type of memory: a struct, a value with its adjoint, or what a variable may be."""
        name = re.compile(r"[\w.]+").match(self.text, self.at)
        if name and name.group() in structs:
            self.at = name.end()
            return structs[name.group()]
        t = self.type()
        return pair(t) if self.skip("'") else t

    def type(self) -> Type:
        scalar = self.scalar()
        if not self.skip("["):
            return scalar
        return Array(scalar, tuple(self.list(self.dimension, "]")))

    def dimension(self) -> Dim:
        text = self.take(r"(?:[^,\]()]|\((?:[^()]|\([^()]*\))*\))+", "a dimension")
        try:
            return parse_dimension(text.strip())
        except ValueError as e:
            self.fail(f"expected a dimension ({e})")

    def site(self) -> Site | None:
        if not self.skip(" @ "):
            return None
        file = self.string()
        self.need(":")
        line = self.number()
        self.need(" ")
        function = self.string()
        return Site(file, line, function, self.string() if self.skip(" ") else "")


class _Function:
    """One function. Its variables are bound before any line is read: a use may stand before its definition."""

    def __init__(self, head: _Line, lines: list[_Line], structs: dict[str, Struct]) -> None:
        self.structs = structs
        self.vars: dict[str, Var] = {}
        head.need("fn ")
        name = head.name("the name of a function")
        head.need("(")
        params = head.list(lambda: self.bind(head), ")")
        head.need(" -> (")
        results = tuple(head.list(head.type, ")"))
        tag = head.name("the name of a prompt") if head.skip(" of ") else ""
        inline = head.name("how it is inlined") if head.skip(" inline=") else ""
        parts = ast.literal_eval(head.take(r"\([\d, ]+\)", "numbers")) if head.skip(" parts=") else ()
        head.need(" {")
        self.function = Function(name, params, {}, results, tag, inline, parts)
        blocks = [self.block(line) if not line.text.startswith(" ") else self.outs(line) for line in lines]
        here: Block | None = None
        for line, block in zip(lines, blocks, strict=True):
            if isinstance(block, Block):
                self.ended(here, line)
                here = block
            elif here is None or here.terminator is not None:
                line.fail("expected a block, `name:`" if here is None else f"expected a block: {here.name} has ended")
            else:
                self.statement(here, line, block)
            line.end()
        self.ended(here, lines[-1] if lines else head)
        if here is None:
            head.fail("expected a block in the function")

    def ended(self, block: Block | None, line: _Line) -> None:
        if block is not None and block.terminator is None:
            line.fail(f"expected the end of {block.name} (jump, branch, call, shift, return, fail)")

    def bind(self, line: _Line) -> Var:
        line.need("%")
        name = line.name("the name of a variable")
        line.need(": ")
        return self.vars.setdefault(name, Var(name, line.type()))

    def block(self, line: _Line) -> Block:
        name = line.name("the name of a block")
        params = line.list(lambda: self.bind(line), ")") if line.skip("(") else []
        line.need(":")
        found = self.function.blocks[name] = Block(name, params)
        return found

    def outs(self, line: _Line) -> tuple[Var, ...]:
        """What an operation binds."""
        line.at = len(line.text) - len(line.text.lstrip())
        return tuple(line.list(lambda: self.bind(line), " = ")) if line.text.startswith("%", line.at) else ()

    def statement(self, block: Block, line: _Line, outs: tuple[Var, ...]) -> None:
        word = line.name("an operation or the end of a block")
        if word in self.ENDS and not outs and not line.text.startswith("(", line.at):
            block.terminator = self.ENDS[word](self, line)
            return
        line.need("(")
        args = tuple(line.list(lambda: self.atom(line), ")"))
        attrs = dict(line.list(lambda: self.attribute(line), "}")) if line.skip(" {") else {}
        contract = bool(attrs.pop("contract", False))
        block.lets.append(Let(outs, word, args, attrs, line.site(), contract))

    def attribute(self, line: _Line) -> tuple[str, Any]:
        name = line.name("the name of an attribute")
        line.need("=")
        return name, line.memory(self.structs) if name == "of" else line.python(",}")

    def atom(self, line: _Line) -> Atom:
        if line.skip("%"):
            start = line.at
            name = line.name("the name of a variable")
            if name not in self.vars:
                line.at = start
                line.fail("expected a variable that is bound in this function")
            return self.vars[name]
        if line.skip("@"):
            return Const(line.name("the name of a function"), CODE)
        if line.skip("null"):
            return Const(None, PTR)
        value = line.take(r"-?[\w.+]+(?:(?<=e)-\d+)?", "a variable or a constant")
        line.need(":")
        kind = line.scalar()
        if kind == BOOL:
            return Const(value == "True", kind)
        return Const(float(value) if is_float(kind) else int(value), kind)

    def edge(self, line: _Line) -> Edge:
        name = line.name("the name of a block")
        line.need("(")
        return Edge(name, tuple(line.list(lambda: self.atom(line), ")")))

    # ---- ends of blocks
    def jump(self, line: _Line) -> Terminator:
        line.need(" ")
        return Jump(self.edge(line))

    def branch(self, line: _Line) -> Terminator:
        line.need(" ")
        cond = self.atom(line)
        line.need(" ? ")
        then = self.edge(line)
        line.need(" : ")
        return Branch(cond, then, self.edge(line), line.skip(" rare"))

    def called(self, line: _Line) -> tuple[str, tuple[Atom, ...]]:
        """A function, and what it is given."""
        line.need(" ")
        name = line.name("the name of a function")
        line.need("(")
        return name, tuple(line.list(lambda: self.atom(line), ")"))

    def call(self, line: _Line) -> Terminator:
        name, args = self.called(line)
        line.need(" then ")
        return Call(name, args, self.edge(line))

    def shift(self, line: _Line) -> Terminator:
        name, args = self.called(line)
        line.need(" of ")
        tag = line.name("the name of a prompt")
        line.need(" as ")
        k = line.name("the name of a continuation")
        line.need(" then ")
        return Shift(name, args, self.edge(line), tag, k, line.site())

    def give_back(self, line: _Line) -> Terminator:
        return Return(tuple(line.list(lambda: self.atom(line))) if line.skip(" ") else ())

    def raises(self, line: _Line) -> Terminator:
        line.need(" ")
        kind = line.name("the kind of an error")
        line.need(" ")
        return Fail(kind, line.string(), line.site())

    ENDS: dict[str, Callable[[_Function, _Line], Terminator]] = {  # noqa: RUF012
        "jump": jump, "branch": branch, "call": call, "shift": shift, "return": give_back, "fail": raises,
    }  # fmt: skip
