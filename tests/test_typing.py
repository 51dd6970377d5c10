"""The types of the public names (lantern_jit/__init__.pyi) are those of the functions, and type checkers take a typed program as it is meant:
mypy with all else (pyproject.toml names tests/typed_program.py), pyright where it is installed."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lantern_jit as lj

from . import typed_program

ROOT = Path(lj.__file__).resolve().parent
PUBLIC = [*lj.__all__, "map", "nn"]


def stub() -> dict[str, list[Any]]:
    """The definitions of each public name, several where it is overloaded."""
    found: dict[str, list[Any]] = {}
    for node in ast.parse((ROOT / "__init__.pyi").read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(node.name, []).append(node)
        if isinstance(node, ast.ImportFrom):
            found.update((a.asname, [node]) for a in node.names if a.asname)
    return found


def parameters(node: ast.FunctionDef) -> list[str]:
    a = node.args
    return [x.arg for x in (*a.posonlyargs, *a.args, *([a.vararg] if a.vararg else []), *a.kwonlyargs, *([a.kwarg] if a.kwarg else []))]


def test_every_public_name_has_types() -> None:
    assert sorted(name for name in stub() if not name.startswith("_")) == sorted(PUBLIC), "lantern_jit/__init__.pyi has other names"


@pytest.mark.parametrize("name", [n for n in PUBLIC if inspect.isfunction(getattr(lj, n))])
def test_types_have_the_parameters_of_the_function(name: str) -> None:
    real = list(inspect.signature(getattr(lj, name)).parameters.values())
    for node in stub()[name]:
        assert parameters(node) == [p.name for p in real]
    defaults = {
        a.arg: ast.unparse(d) for node in stub()[name] for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d
    }
    for p in real:
        if p.name in defaults and defaults[p.name] != "...":
            assert ast.literal_eval(defaults[p.name]) == p.default or name == "jit"


def test_the_typed_program_runs() -> None:
    number, energy, _, by_rate, *_ = typed_program.program()
    assert (number, energy, by_rate) == (12.0, 18.0, 15.0)


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(Path(typed_program.__file__).read_text())
    options = {"include": ["."], "extraPaths": [str(ROOT.parent)], "reportUnnecessaryTypeIgnoreComment": "error"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options))
    run = subprocess.run(["pyright", "-p", str(tmp_path), "--pythonpath", sys.executable], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
