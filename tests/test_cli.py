"""The command `lantern-jit`: what it prints, and its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lantern_jit as lj
from lantern_jit.command.cli import main

SOURCE = """
import math

def wave(x, n):
    y = x
    for _ in range(n):
        y = math.sin(y) * x
    return y

def total(a):
    s = 0.0
    for i in range(len(a)):
        s += a[i]
    return s

def broken(x):
    return x if math.sin(x) > 0 else len

number = 3

def asks(x):
    return {}["key"] + x

def mixed(x):
    return x + "text"

def ends(x):
    raise SystemExit(3)

def divides(x):
    return x * (1 // 0)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.py"
    path.write_text(SOURCE)
    return path


def test_inspect_prints_each_stage(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", f"{source}:wave", "0.5", "3", "--grad"]) == 0
    shown = capsys.readouterr().out
    for sign in ("pullback(", "reverse wave", "@op.sin.f64", "\tret"):
        assert sign in shown, sign


def test_inspect_of_one_stage_and_of_arrays(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", f"{source}:total", "[1.0, 2.0]", "--stage", "graph"]) == 0
    shown = capsys.readouterr().out
    assert "fn total(" in shown
    assert "f64[n]" in shown
    assert "define" not in shown


def test_a_page_and_an_explanation(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["inspect", f"{source}:wave", "0.5", "3", "--grad", "--save", str(page)]) == 0
    assert capsys.readouterr().out == f"{page} is the page\n"
    assert "<title>grad(wave): stages</title>" in page.read_text()
    assert main(["explain", f"{source}:wave", "0.5", "3", "--grad"]) == 0
    assert "`grad(wave)` has 1 loop and 0 operations on whole arrays." in capsys.readouterr().out
    assert main(["explain", f"{source}:broken", "3.5"]) == 1


def test_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "lantern_jit", "inspect", "nothing"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (2, "lantern-jit: 'nothing' is not of the form FILE:FUNCTION\n")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["inspect", "{source}:nobody"], 2, "nobody"),
        (["inspect", "{source}:number"], 2, "number"),
        (["inspect", "/nowhere.py:f"], 2, "nowhere.py"),
        (["inspect", "{source}"], 2, "FILE:FUNCTION"),
        (["inspect", "{source}:wave", "0.5", "three"], 2, "three"),
        (["inspect", "{source}:broken", "3.5"], 1, "broken"),
        (
            ["inspect", "{source}:asks", "3"],
            1,
            "source.py:asks cannot be compiled for these arguments: KeyError: 'key' ({source}:22 in asks)",
        ),
        (["inspect", "{source}:mixed", "3"], 1, "unsupported operand type(s) for +: 'int' and 'str' ({source}:25 in mixed)"),
        (["inspect", "{source}:ends", "3"], 1, "SystemExit: 3 ("),
        (["inspect", "{source}:divides", "3"], 1, "ZeroDivisionError"),
        (["inspect", "{source}:wave", "0.5", "1.5"], 1, "TypeError: range() at {source}:6 in wave needs ints, not a float\n"),
        (["inspect", "{source}:wave", "[1.0]", "2"], 1, "math.sin at {source}:7 in wave takes a number, not a 1-d array of float64"),
        (["inspect", "{source}:wave", "0.5"], 2, "missing a required argument: 'n'"),
        (["inspect", "{source}:wave", "0.5", "3", "--stage", "soup"], 2, "soup"),
        (["cache", "burn"], 2, "burn"),
        (["nothing"], 2, "nothing"),
    ],
)
def test_errors_are_one_line(words: list[str], status: int, message: str, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([w.replace("{source}", str(source)) for w in words]) == status
    err = capsys.readouterr().err
    assert err.startswith("lantern-jit: ")
    assert message.replace("{source}", str(source)) in err
    assert "Traceback" not in err


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert lj.__version__ in shown
    assert os.environ["LANTERN_CACHE_DIR"] in shown
    assert "llvmlite" in shown


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("LANTERN_CACHE_DIR", str(folder))
    monkeypatch.setenv("LANTERN_CACHE_MIB", "7")
    assert lj.jit(lambda x: x * 1.2345)(2.0) == 2.469
    files = list(folder.glob("*.obj"))
    assert files
    assert main(["cache"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["folder"] == str(folder)
    assert lines["files"] == str(len(files))
    assert lines["size"].endswith("of at most 7")
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"removed {len(files)} files from {folder}\n"
    assert not list(folder.iterdir())
    monkeypatch.setenv("LANTERN_CACHE_DIR", "")
    assert main(["cache"]) == 0
    assert "not kept" in capsys.readouterr().out
