"""Graphs that tests make are checked by the verifier; compiled code is kept in a folder of this run alone. Transforms without
jit stay on the interpreter, which is what native code is compared with: tests/test_without_jit.py tells what they do otherwise."""

import atexit
import math
import os
import shutil
import tempfile
import zlib

import pytest

os.environ.setdefault("LANTERN_VERIFY", "1")
_FOLDER = tempfile.mkdtemp(prefix="lantern-tests-")
os.environ["LANTERN_CACHE_DIR"] = _FOLDER
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)

from lantern_jit import specialisation  # noqa: E402  # reads the environment

specialisation.ALLOWANCE = math.inf


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the passes give now into tests/golden")
    parser.addoption("--all", action="store_true", help="also the tests that are marked `more`: further samples of what others have shown")


@pytest.fixture(autouse=True)
def _samples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM's optimiser and the verifier of graphs take most of the time of the tests: one test in three is compiled as users' programs are,
    as those always are that are marked `optimised`, and the graphs of another third are verified. With `--all`, both for each."""
    if request.config.getoption("--all"):
        return
    third = zlib.crc32(request.node.nodeid.encode()) % 3
    if third != 0:
        monkeypatch.delenv("LANTERN_VERIFY", raising=False)
    if third != 1 and not request.node.get_closest_marker("optimised"):
        monkeypatch.setenv("LANTERN_OPTIMISE", "0")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        more = [item for item in items if item.get_closest_marker("more")]
        config.hook.pytest_deselected(items=more)
        items[:] = [item for item in items if item not in set(more)]
