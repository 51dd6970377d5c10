"""Every Python block of README.md, CONTRIBUTING.md and the site's pages runs, and so do the examples in docstrings; pages say all there is."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

import lantern_jit
import lantern_jit.checks
from lantern_jit import errors, nn
from lantern_jit.ir.core import errors as all_errors
from lantern_jit.ir.numpy import registry

from .documents import PAGES, ROOT, Block, blocks, module
from .support import withdraw_rows

pytestmark = pytest.mark.every

matplotlib.use("agg")
SINGLE = [pytest.param(b, id=f"{b.page}-{b.line}") for page in ("README.md", "CONTRIBUTING.md") for b in blocks(page)]
WHOLE = [page for page in PAGES if any(b.peer is None for b in blocks(page))]
PEERS = [pytest.param(b, id=f"{b.page}-{b.peer}") for page in PAGES for b in blocks(page) if b.peer]
MODULES = {"JAX": "jax", "autograd": "autograd", "PyTorch": "torch", "Numba": "numba"}


def test_blocks_are_found() -> None:
    assert len(SINGLE) >= 3
    assert len(WHOLE) > 20
    assert {p.values[0].peer for p in PEERS} == set(MODULES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", SINGLE)
def test_block_runs(block: Block) -> None:
    try:
        with module() as scope:
            block.run(scope)
    finally:
        withdraw_rows()


@pytest.mark.parametrize("page", WHOLE)
def test_page_runs(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From top to bottom, in one namespace, as the site's notebooks do."""
    monkeypatch.chdir(tmp_path)
    try:
        with module() as scope:
            for block in blocks(page):
                if block.peer is None:
                    block.run(scope)
    finally:
        plt.close("all")


@pytest.mark.more
@pytest.mark.parametrize("block", PEERS)
@pytest.mark.filterwarnings("default")
def test_a_peer_s_program_gives_what_is_said(block: Block) -> None:
    """Where it is installed."""
    assert block.peer is not None
    if importlib.util.find_spec(MODULES[block.peer]) is None:
        pytest.skip(f"{block.peer} is not installed")
    with module() as scope:
        block.run(scope)


# ---- what pages have to say
def test_the_table_of_array_functions() -> None:
    """README shows what `python -m lantern_jit.ir.numpy` prints, and the site's page of names shows that."""
    text = (ROOT / "README.md").read_text()
    start, end = (text.index(mark) for mark in ("<!-- names -->", "<!-- end of names -->"))
    assert registry.table() in text[start:end]
    assert "<!-- names -->" in (ROOT / "docs" / "names.md").read_text()


def test_every_page_is_in_one_table_of_contents() -> None:
    seen = ["docs/index.md"]
    for page in PAGES:
        for entries in re.findall(r"^```\{toctree\}\n(.*?)^```$", (ROOT / page).read_text(), re.S | re.M):
            seen += [
                f"{Path(page).parent}/{entry.split('<')[-1].strip('>')}.md"
                for entry in entries.split("\n")
                if entry and not entry.startswith(":")
            ]
    made = {"docs/gallery/index.md"}
    assert sorted(set(seen) - made) == PAGES
    assert len(seen) == len(set(seen))


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    return re.sub(r"(\{\w+\})?`[^`\n]+`", lambda span: span.group() if span.group(1) else "", text)


LINK = re.compile(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`|\]\(((?!https?:)[^)#\s]+)")


@pytest.mark.parametrize("page", [*PAGES, "README.md", "CONTRIBUTING.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    for doc, link in LINK.findall(without_code((ROOT / page).read_text())):
        target = ROOT / page
        target = target.parent / (f"{doc}.md" if doc else link)
        assert target.exists() or doc.endswith("gallery/index"), f"{page} links to {doc or link}"


def test_every_error_is_explained() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    names = [
        name for name, found in vars(all_errors).items() if isinstance(found, type) and issubclass(found, (errors.LanternError, Warning))
    ]
    assert re.findall(r"^#+ (\w+(?:Error|Warning))$", text, re.M)[0] == "LanternError"
    assert sorted(re.findall(r"^#+ (\w+(?:Error|Warning))$", text, re.M)) == sorted(names)
    assert sorted(re.findall(r"autoexception:: (\w+)", (ROOT / "docs" / "api" / "errors.md").read_text())) == sorted(names)
    for part in re.split(r"^### ", text, flags=re.M)[1:]:
        assert "*Cause*" in part or "Warning" in part, part[:40]
        assert "*Remedy*" in part or "NumPy" in part or "`" in part, part[:40]


def test_every_public_name_is_in_the_api() -> None:
    text = "\n".join(p.read_text() for p in (ROOT / "docs" / "api").glob("*.md"))
    listed = [name for names in re.findall(r"^\.\. autosummary::\n.*?\n\n(.*?)^```$", text, re.S | re.M) for name in names.split()]
    assert sorted(listed) == sorted([*({*lantern_jit.__all__, "map"} - {"errors", "LanternError"}), *nn.__all__])


# ---- docstrings
DOCUMENTED = [name for name in lantern_jit.__all__ if name not in ("errors", "LanternError")] + ["map"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_docstring_says_all(name: str) -> None:
    """In numpydoc's sections: each parameter, what is returned, an example; the site's build looks closer."""
    found = getattr(lantern_jit, name)
    text = inspect.getdoc(found) or ""
    sections = dict(re.findall(r"^(\w[\w ]*)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}\n|\Z)", text, re.S | re.M))
    assert ">>>" in sections.get("Examples", ""), name
    assert "Returns" in sections or isinstance(found, type), name
    parameters = inspect.signature(found).parameters.values()
    told = re.findall(r"^([\w*][\w*, ]*?)(?: :.*)?$", sections.get("Parameters", ""), re.M)
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    assert [n for names in told for n in names.split(", ")] == [stars.get(p.kind, "") + p.name for p in parameters], name


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
                "sparse.api",
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
