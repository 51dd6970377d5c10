"""What the house may look like: rooms, files and functions of a size that one can read, no circle, and imports where one looks for them."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

import lantern_jit as lj
from lantern_jit.ir.core.port import PORTS

pytestmark = pytest.mark.every

ROOT = pathlib.Path(lj.__file__).resolve().parents[1]
HOUSES = ("ir", "backends", "lantern_jit")
MOST_FILES, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 15, 400, 60
LATER = {  # imports inside functions, and what is not to be loaded before
    "backends/llvm/backend.py": "llvmlite, where it loads at all",
    "backends/llvm/build/platforms.py": "llvmlite, where it loads at all",
    "backends/llvm/build/cache.py": "llvmlite, where it loads at all",
    "backends/llvm/call/entries.py": "llvmlite, where it loads at all",
    "backends/python/backend.py": "the interpreter, by the first program that it runs",
    "backends/llvm/emit/routines.py": "scipy.linalg, by programs that call it",
    "ir/core/machine.py": "scipy.special, by programs that call it",
    "ir/python/host.py": "the debugger, by who asks for it",
    "ir/ops/library.py": "scipy.linalg, by programs that call it",
    "lantern_jit/command/cli.py": "the demonstration, and matplotlib with it",
    "lantern_jit/command/info.py": "scipy",
    "lantern_jit/dispatcher.py": "the passes and what stands behind them, by the first call",
    "lantern_jit/export.py": "the writer of C, and the passes",
    "lantern_jit/inspection/report.py": "the page, by the first one that is asked for",
    "lantern_jit/jitted.py": "llvmlite, where it loads at all",
    "lantern_jit/pickling.py": "cloudpickle, where it is installed",
    "lantern_jit/sparse/api.py": "scipy.sparse, by the first function that gives such a matrix",
}


def files() -> dict[str, pathlib.Path]:
    """The library's own files, by module."""
    found = {}
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not any(p.is_symlink() for p in path.parents if ROOT in p.parents):
                name = [*([] if house == "lantern_jit" else ["lantern_jit"]), *parts]
                found[".".join(name[:-1] if name[-1] == "__init__" else name)] = path
    return found


FILES = files()
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """The library's modules that one imports, wherever it does."""
    package = module.split(".") if FILES[module].name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield from (name for name in (f"{whole}.{alias.name}", whole) if name in FILES and name != module)


def test_no_circle_of_imports() -> None:
    edges = {module: set(imports(module, tree)) for module, tree in TREES.items()}
    left = dict(edges)
    while True:
        free = [m for m, out in left.items() if not any(o in left and not o.endswith("__init__") and o not in packages() for o in out)]
        if not free:
            break
        for m in free:
            del left[m]
    assert not left, f"a circle among {sorted(left)}"


def packages() -> set[str]:
    """Packages whose own file imports nothing: to import from them is to import one of their modules."""
    return {m for m, path in FILES.items() if path.name == "__init__.py" and not any(imports(m, TREES[m]))}


def relative(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def of_the_documents(node: ast.AST) -> int:
    """The lines of a docstring in sections, which is a page of the documents."""
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or "\nParameters\n---" not in (ast.get_docstring(node) or ""):
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def test_folders_and_files_can_be_read() -> None:
    for folder in {path.parent for path in FILES.values()}:
        here = [p for p in FILES.values() if p.parent == folder and p.name != "__init__.py"]
        assert len(here) <= MOST_FILES, f"{relative(folder)} has {len(here)} files"
    for module, path in FILES.items():
        lines = path.read_text().count("\n") - sum(map(of_the_documents, ast.walk(TREES[module])))
        assert lines <= MOST_LINES, f"{relative(path)} has {lines} lines"


def test_functions_can_be_read() -> None:
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno - of_the_documents(node)
                assert lines <= MOST_LINES_OF_A_FUNCTION, f"{node.name} in {module} has {lines} lines"


@pytest.mark.parametrize("module", FILES)
def test_imports_stand_at_the_top(module: str) -> None:
    inner = {
        node.lineno
        for function in ast.walk(TREES[module])
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert bool(inner) == (relative(FILES[module]) in LATER), f"imports inside functions, in lines {sorted(inner)}"


def test_every_port_is_defined() -> None:
    assert len(PORTS) > 5
    assert [port.what for port in PORTS if port.function is None] == []


NEWER = {"matvec", "vecmat", "unstack", "cumulative_sum", "cumulative_prod"}  # functions of NumPy after 2.0, the oldest that is supported


def test_names_of_newer_versions_are_looked_for() -> None:
    """`np.matvec` in the code would be an error on the oldest NumPy; registry.newer("matvec") is none."""
    assert not [
        (relative(FILES[module]), node.lineno)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in NEWER and isinstance(node.value, ast.Name) and node.value.id == "np"
    ]
