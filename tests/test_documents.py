"""Every Python block of README.md and CONTRIBUTING.md runs, and so do the examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import linecache
import re
from pathlib import Path

import pytest

import lantern_jit
import lantern_jit.checks
from lantern_jit.ir.numpy import registry

from .support import withdraw_rows

ROOT = Path(__file__).parent.parent
BLOCKS = [
    pytest.param(block, id=f"{name}-{i}")
    for name in ("README.md", "CONTRIBUTING.md")
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S))
]


def test_blocks_are_found() -> None:
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs(block: str) -> None:
    filename = f"<document {hash(block)}>"
    linecache.cache[filename] = (len(block), None, block.splitlines(keepends=True), filename)
    try:
        exec(compile(block, filename, "exec"), {"__name__": "document"})
    finally:
        withdraw_rows()


def test_the_table_of_array_functions() -> None:
    """README shows what `python -m lantern_jit.ir.numpy` prints."""
    assert registry.table() in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "lantern_jit",
        *(
            f"lantern_jit.{part}"
            for part in (
                "checks",
                "combinators",
                "continuations",
                "ir.trace.callback",
                "ir.trace.progress",
                "jitted",
                "nn",
                "nn.activations",
                "nn.cells",
                "nn.initialisers",
                "nn.layers",
                "nn.losses",
                "nn.minimising",
                "nn.optimisers",
                "operations.callback",
                "operations.rules",
                "transforms",
            )
        ),
    ],
)
def test_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_public_names_have_docstrings() -> None:
    for name in lantern_jit.__all__:
        assert getattr(lantern_jit, name).__doc__, name
    for name in lantern_jit.nn.__all__:
        assert getattr(lantern_jit.nn, name).__doc__, name
