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
def _verified(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every graph of every third test is checked by the verifier; with `--all`, of each."""
    if not request.config.getoption("--all") and zlib.crc32(request.node.nodeid.encode()) % 3:
        monkeypatch.delenv("LANTERN_VERIFY", raising=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        more = [item for item in items if item.get_closest_marker("more")]
        config.hook.pytest_deselected(items=more)
        items[:] = [item for item in items if item not in set(more)]
