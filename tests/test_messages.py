"""Every message of the library: it names a place and a remedy, in the user's words; those that are in the source, and live ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

pytestmark = pytest.mark.every

ROOT = Path(__file__).parent.parent
INTERNAL = re.compile(
    r"\b(Traced|Arrayed|Tracer|Builder|Undefined|Growing|Maybe|Deferred|Blank|ComplexArray|Complex|Interleaved|Bottom|Saved|Scope|GraphAlgebra)\b|<traced"
)
PLACE = re.compile(r"site|where|place|argument|name|label|qualname|what|filename")
REMEDY = re.compile(
    r"\b(use|write|give|make|pass|return|assign|convert|test|compute|open|define|call|choose|mark|add|leave|store|name|read|run|report|must|needs?|takes?|take"
    r"|should|copy|start|set|cast|compare|lower|keep|can only|there are|remedy|instead|install|put|clip|turn|state|move|is not the|are not the|has \{|ask|know|show|CONVERT|synchronous|close over|print the value)\b"
)  # fmt: skip
USERS = {name for name in vars(errors) if isinstance(getattr(errors, name), type) and issubclass(getattr(errors, name), errors.LanternError)} - {
    "VerifyError", "CompilationError", "GradientCheckError"}  # fmt: skip
FAULTS = {"ArrayIndexError", "AxisError", "ArrayShapeError", "BroadcastError", "ZeroDivideError", "IntegerOverflowError", "ConversionError", "LinAlgError",
          "StagedAssertionError", "NegativePowerError"}  # which say what Python and NumPy say  # fmt: skip


def _classes(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def messages() -> Iterator[tuple[str, str, str]]:
    """(place in the library, class, source of the message) of each error that is made with a message."""
    for file in sorted(
        [
            *(ROOT / "ir").rglob("*.py"),
            *(ROOT / "lantern_jit").glob("*.py"),
            *(ROOT / "lantern_jit" / "command").glob("*.py"),
            *(ROOT / "backends").rglob("*.py"),
        ]
    ):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and (_classes(node) in USERS or _classes(node) == "unsupported"):
                text = " ".join(ast.unparse(a) for a in node.args)
                if any(isinstance(n, ast.Constant) and isinstance(n.value, str) for a in node.args for n in ast.walk(a)):
                    yield f"{file.name}:{node.lineno}", _classes(node), text


def test_there_are_messages() -> None:
    assert len(list(messages())) > 150


def test_no_message_names_a_class_of_the_library() -> None:
    assert [(at, text) for at, _, text in messages() if any(INTERNAL.search(s) for s in re.findall(r"'[^']*'|\"[^\"]*\"", text))] == []


AT_RUN_TIME = {
    "complex_matrices.py",
    "c_function.py",
    "native.py",
    "interpreter.py",
    "library.py",
    "gather.py",
    "jvp.py",
    "op.py",
    "lapack.py",
    "rules.py",
}  # whose place is added, or told by the caller


def test_every_message_names_a_place() -> None:
    assert [
        (at, text)
        for at, kind, text in messages()
        if kind != "unsupported" and not PLACE.search(text) and at.split(":")[0] not in AT_RUN_TIME
    ] == []


def test_every_message_has_a_remedy() -> None:
    assert [
        (at, text)
        for at, kind, text in messages()
        if kind not in FAULTS and not REMEDY.search(text.replace("{what}", "use")) and not at.startswith("c_function")
    ] == []


def test_no_message_lists_all_there_is() -> None:
    assert [at for at, _, text in messages() if re.search(r"join\(sorted\((?!.*\[:3\])", text)] == []


# ---- live ones
def names_nothing(x: float) -> float:
    if x > 0:
        y = [1.0]
    return y[0]


class Plain:
    w = 1.0


A = np.ones(3)
LIVE: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x: np.packbits(x), (A,)), (lambda x: x.byteswap(), (A,)), (lambda x: np.unpackbits(x), (1.0,)), (lambda x: x.hex(), (1.5,)),
    (lambda x: np.exp(x, where=x > 0), (1.5,)), (lambda x: bool(x > 0), (A,)), (lambda x: x.nothing, (1.5,)), (lambda x: x.nothing, (A,)),
    (lambda x: x if x > 0 else (x, x), (1.0,)), (lambda x: 1.0 if x > 0 else "a", (1.0,)), (names_nothing, (1.0,)),
    (lambda x: np.zeros(x), (1.5,)), (lambda x: A[x], (1.5,)), (lambda x: round(x, 30), (1.5,)), (lambda x: np.zeros(3, "M8[s]") + x, (1.5,)),
    (lambda x: lj.grad(lambda v: (v, v))(x), (1.5,)), (lambda x: lj.grad(lambda v, w: v, 3)(x, x), (1.5,)), (lambda x: lj.grad(lambda v: v)("a"), (1.5,)),
    (lambda x: [1, 2][x], (1.5,)), (lambda x: x.append(2), (A,)), (lambda x: range(x), (1.5,)), (lambda x: math_of(x), (A,)),
    (lambda x: float(x), (A,)), (lambda x: [1, 2][x], (A,)), (lambda x: lj.grad(lambda v, y: y)(Plain(), x), (1.5,)),
]  # fmt: skip


def math_of(x: Any) -> Any:
    import math

    return math.exp(x)


@pytest.mark.parametrize("at", range(len(LIVE)))
def test_live_messages(at: int) -> None:
    f, args = LIVE[at]
    with pytest.raises(Exception) as found:  # noqa: PT011
        lj.jit(f)(*args)
    text = str(found.value)
    assert not INTERNAL.search(text), text
    assert "object at 0x" not in text, text
    if isinstance(found.value, lj.LanternError):
        assert re.search(r"test_messages\.py:\d+ in [\w<]|argument|`\w", text), text
    differs = re.search(r"is ([^:]+) on one path and ([^:]+) on another|changes (?:its type )?from ([^:]+) to ([^:]+):", text)
    if differs:
        sides = [s for s in differs.groups() if s is not None]
        assert sides[0] != sides[1], text
