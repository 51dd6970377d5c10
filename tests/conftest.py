"""Graphs that tests make are checked by the verifier; compiled code is kept in a folder of this run alone. Transforms without
jit stay on the interpreter, which is what native code is compared with: tests/test_without_jit.py tells what they do otherwise."""

import atexit
import math
import os
import shutil
import tempfile
import zlib
from collections import Counter

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


MANY = 8  # parameters of one test: of more than these a half is a sample, of ten times as many a third


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    named = any("::" in arg for arg in config.args)  # a test that is asked for by its name is run for all of its parameters
    tests = Counter(map(_test, items))
    more = {
        x for x in items if x.get_closest_marker("more") or not (named or x.get_closest_marker("every") or _sampled(x, tests[_test(x)]))
    }
    config.hook.pytest_deselected(items=[item for item in items if item in more])
    items[:] = [item for item in items if item not in more]


def _test(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _sampled(item: pytest.Item, parameters: int) -> bool:
    """Is it one of those that stand for the parameters of a test? The same ones in every run."""
    share = 1 if parameters <= MANY else 2 if parameters <= 10 * MANY else 3
    return zlib.crc32(item.nodeid[::-1].encode()) % share == 0
