"""The disk cache: a second process compiles nothing and says the same, and no state of the folder can do harm.

Each program runs in a process of its own, with a folder of its own in LANTERN_CACHE_DIR. It prints a JSON object.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from lantern_jit.backends.llvm.build import cache
from lantern_jit.backends.llvm.call.notes import sound

from .processes import Running, start

PRELUDE = """
import json, math, os, sys, warnings
from pathlib import Path
import numpy as np
import lantern_jit as lj

warnings.simplefilter("always")
seen = []
warnings.showwarning = lambda message, category, *rest: seen.append([category.__name__, str(message)])
folder = Path(os.environ["LANTERN_CACHE_DIR"])

def compiled(f, *args):
    return "code" in f.lower(*args).executable.timings

def plain(x):
    return x.tolist() if isinstance(x, np.ndarray) else x

def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x

def polynomial(x, n):
    s = 0.0
    for i in range(n):
        s = s * x + i
    return s
"""


def begin(program: str, path: Path, folder: Path | str, fresh: bool = False, **environment: str) -> Running:
    """A process that runs `program`, written to `path`, with the cache in `folder`."""
    return start(PRELUDE + textwrap.dedent(program), path, fresh, LANTERN_CACHE_DIR=str(folder), **environment)


def run(tmp_path: Path, program: str, folder: Path | str | None = None, fresh: bool = False, **environment: str) -> Any:
    """What `program` prints."""
    return begin(program, tmp_path / "program.py", tmp_path / "cache" if folder is None else folder, fresh, **environment).result()


def objects(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.obj"))


def cold_and_warm(tmp_path: Path, program: str, **environment: str) -> Any:
    """The results of `program`, which prints {"compiled": {..}, "results": {..}, ..}, from a process that compiles all of its
    functions and one that compiles none."""
    cold = run(tmp_path, program, fresh=True, **environment)
    before = {p: p.read_bytes() for p in objects(tmp_path / "cache")}
    warm = run(tmp_path, program, fresh=True, **environment)
    assert {k for k, new in cold["compiled"].items() if not new} == set()
    assert {k for k, new in warm["compiled"].items() if new} == set()
    for name, result in cold["results"].items():
        assert warm["results"][name] == result, name
    assert {p: p.read_bytes() for p in objects(tmp_path / "cache")} == before
    return {**warm["results"], "inspected": [cold.get("inspected"), warm.get("inspected")]}


# ---- warm processes
EVERYTHING = """
from scipy import special
table = np.arange(5.0)

def geometric(x, n):
    return 1.0 if n == 0 else 1.0 + x * geometric(x, n - 1)

def squares(x, n):
    out = np.zeros(n)
    for i in range(n):
        out[i] = x * i * i
    return {"out": out, "text": "a string", "none": None, "more": [x > 0, (n, np.float32(2) * n)]}

def lookup(i):
    return table[i]

def grows(x, n):
    s = x
    for _ in range(n):
        s = math.sin(s) * x + s
    return s

def endless(x, n):
    return 0.5 * endless(x + 1.0, n + 1) if n >= 0 else x

cases = {
    "square": (lj.jit(lambda x: x * x), (3.0,)),
    "newton": (lj.jit(newton), (2.0,)),
    "grad": (lj.jit(lj.grad(newton)), (2.0,)),
    "second": (lj.jit(lj.grad(lj.grad(newton))), (2.0,)),
    "loop": (lj.jit(polynomial), (2.0, 5)),
    "float32": (lj.jit(polynomial), (np.float32(2), np.int64(5))),
    "ints": (lj.jit(polynomial), (2, 5)),
    "gradient of a loop": (lj.jit(lj.value_and_grad(polynomial)), (2.0, 5)),
    "recursion": (lj.jit(geometric), (0.5, 30)),
    "gradient of a recursion": (lj.jit(lj.grad(geometric)), (0.5, 30)),
    "containers": (lj.jit(squares), (1.5, 4)),
    "captured": (lj.jit(lookup), (3,)),
    "static": (lj.jit(lambda x, k: x if k == "a" else -x, static_argnums=1), (1.5, "b")),
    "hessian": (lj.jit(lj.hessian(lambda v: v[0] * v[0] * v[1])), (np.array([3.0, 4.0]),)),
    "gammaln": (lj.jit(math.lgamma), (2.5,)),
    "psi": (lj.jit(special.psi), (2.5,)),
    "gradient of gammaln": (lj.jit(lj.grad(math.lgamma)), (2.5,)),
    "erf": (lj.jit(lj.grad(lambda x: special.expit(x) * math.erf(x))), (2.5,)),
}
for c in (None, "recursion", "replay", 7, 8):
    cases[f"checkpoint={c}"] = lj.jit(lj.grad(grows), checkpoint=c), (0.5, 100)
new = {k: compiled(f, *a) for k, (f, a) in cases.items()}
results = {k: repr(f(*a)) for k, (f, a) in cases.items()}
results["policies"] = {k: [*f.lower(*a).executable.policies.values()] for k, (f, a) in cases.items() if "check" in k}
found = cases["grad"][0].inspect(2.0)
inspected = [found.graph, found.cps, found.llvm, found.llvm_optimized, found.asm, found.policies]
f, g = lj.jit(lj.grad(endless)), lj.jit(lambda n: np.zeros(n))
new |= {"endless": compiled(f, 1.0, 0), "zeros": compiled(g, 3)}
results["errors"] = []
for call in (lambda: f(1.0, 0), lambda: g(-1), lambda: g(2**50)):
    try:
        call()
    except lj.LanternError as e:
        results["errors"].append([type(e).__name__, str(e).split(" after about ")[0]])
results["seen"] = seen
print(json.dumps({"compiled": new, "results": results, "inspected": inspected}))
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What EVERYTHING prints in a process that compiles nothing; the same as in the one before."""
    return cold_and_warm(tmp_path_factory.mktemp("everything"), EVERYTHING, LANTERN_STACK_GIB="0.125")


def test_a_second_process_compiles_nothing(warm: Any) -> None:
    assert (warm["square"], warm["loop"], warm["float32"], warm["ints"]) == ("9.0", "26.0", "np.float32(26.0)", "26.0")
    assert [float(warm[k]) for k in ("newton", "grad", "second")] == pytest.approx([2**0.5, 0.5 * 2**-0.5, -0.25 * 2**-1.5], rel=1e-9)
    assert warm["containers"].startswith("{'out': array([ 0. ,  1.5,  6. , 13.5]), 'text': 'a string', 'none': None, 'more': [True, (4, ")
    assert (warm["captured"], warm["static"], warm["recursion"]) == ("3.0", "-1.5", repr(2 - 0.5**30))
    assert warm["hessian"] == repr(np.array([[8.0, 6.0], [6.0, 0.0]]))
    assert warm["seen"] == []


def test_special_functions_of_scipy(warm: Any) -> None:
    """lgamma's derivative is digamma, which code finds through a symbol of this process."""
    names = ("gammaln", "psi", "gradient of gammaln")
    assert [float(warm[k]) for k in names] == pytest.approx([special.gammaln(2.5), special.psi(2.5), special.psi(2.5)], rel=1e-12)


def test_checkpoint_options_do_not_share_code(warm: Any) -> None:
    policies = warm["policies"]
    assert policies["checkpoint=recursion"] == ["recursion"]
    assert policies["checkpoint=replay"] == ["replay"]
    assert policies["checkpoint=7"] == policies["checkpoint=8"] == ["chunks"]
    values = [float(warm[k]) for k in policies]
    assert values == pytest.approx([values[0]] * 5, rel=1e-9)


def test_inspect_in_a_warm_process(warm: Any) -> None:
    cold, (graph, cps, llvm, optimised, asm, policies) = warm["inspected"]
    assert "newton" in graph
    assert "newton" in cps
    assert "define" in llvm
    assert "define" in optimised
    assert "entry:" in asm
    assert policies
    assert cold == warm["inspected"][1]


def test_a_stack_overflow_in_a_warm_process(warm: Any) -> None:
    assert warm["errors"][:2] == [
        ["StackOverflowError", "the native stack of 128 MiB ended in `endless`"],
        ["ArrayShapeError", warm["errors"][1][1]],
    ]
    assert "an array size is negative or too large: -1" in warm["errors"][1][1]


def test_a_single_special_function(tmp_path: Path) -> None:
    """A warm process in which digamma's code is the first to be loaded."""
    found = cold_and_warm(
        tmp_path,
        """
        f = lj.jit(lj.grad(math.lgamma))
        print(json.dumps({"compiled": {"f": compiled(f, 2.5)}, "results": {"f": f(2.5)}}))
        """,
    )
    assert found["f"] == pytest.approx(special.psi(2.5), rel=1e-12)


def test_vectorised_functions(tmp_path: Path) -> None:
    """Loops over sin and exp call the library's own functions, whose code is loaded apart."""
    found = cold_and_warm(
        tmp_path,
        """
        def wave(a):
            out = np.zeros(len(a))
            for i in range(len(a)):
                out[i] = math.sin(a[i]) * math.exp(-a[i])
            return out

        f, a = lj.jit(wave), np.linspace(0.0, 1.0, 100)
        new = {"f": compiled(f, a)}
        print(json.dumps({"compiled": new, "results": {"difference": float(abs(f(a) - np.sin(a) * np.exp(-a)).max())}}))
        """,
    )
    assert found["difference"] < 1e-14


def test_nearly_equal_functions_do_not_share_code(tmp_path: Path) -> None:
    program = """
    big = 0.1 + 0.2
    tables = [np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])]
    fs = [
        lambda x: x * 0.3, lambda x: x * big, lambda x: math.copysign(x, 0.0), lambda x: math.copysign(x, -0.0), lambda x: x + 1, lambda x: x + 1.0,
        lambda x: x * math.inf, lambda x: x * -math.inf, lambda x: x * 2**53, lambda x: x * (2**53 + 1),
        lambda x: tables[0][int(x)], lambda x: tables[1][int(x)], lambda x: (x, "one"), lambda x: (x, "two"), lambda x: {"a": x}, lambda x: {"b": x},
        lambda x: [x], lambda x: (x,), lambda x: (x, None), lambda x: (None, x), lambda x: ((x,), x), lambda x: (x, (x,)), lambda x: x + 2**40,
    ]
    for f in fs:
        wanted = f(1.0)
        assert repr(lj.jit(f)(1.0)) == repr(float(wanted) if isinstance(wanted, np.floating) else wanted)
    print(json.dumps(len(fs)))
    """
    for p in (program, program.replace("for f in fs:", "for f in fs[::-1]:")):
        assert run(tmp_path, p) == 23


def test_sizes_of_the_native_stack_do_not_share_code(tmp_path: Path) -> None:
    program = """
    def endless(x, n):
        return 0.5 * endless(x + 1.0, n + 1) if n >= 0 else x
    f = lj.jit(endless)
    new = compiled(f, 1.0, 0)
    try:
        f(1.0, 0)
    except RecursionError as e:
        print(json.dumps([new, str(e)]))
    """
    for new, mib in ((True, 64), (True, 128), (False, 64)):
        found = run(tmp_path, program, LANTERN_STACK_GIB=str(mib / 1024))
        assert found[0] == new
        assert f"the native stack of {mib} MiB ended in `endless`" in found[1]


ELSEWHERE = """
import scipy.linalg

def views(x, s):
    y = x * 2.0
    z = y[s:] + 1.0
    return np.sum(z[1:] * z[:-1])

def mutual(x, n):
    return x if n <= 0 else other(x * 1.5, n - 1)

def other(x, n):
    return mutual(x + 1.0, n - 2) if n > 1 else x

def likelihood(t, x):
    k = np.exp(-t * (x[:, None] - x[None, :]) ** 2) + np.eye(len(x))
    low = np.linalg.cholesky(k)
    return np.sum(scipy.linalg.solve_triangular(low, x, lower=True) ** 2) - np.sum(np.log(np.diag(low)))

def spectrum(a):
    return np.sum(np.linalg.eigh(a + a.T)[0] ** 2 * np.arange(1.0, 4.0))

def smooth(x, n):
    y = x.copy()
    for _ in range(n):
        y[1:-1] += 0.1 * (y[2:] - 2.0 * y[1:-1] + y[:-2])
        y[y < 0.0] = 0.0
    return np.sum((y - x) ** 2)

def chosen(v):
    if v["a"] > 1.0 and v["b"] < 5:
        raise ValueError("too large")
    return {"out": [v["a"] * v["b"], (v["a"], "text")]}

def gathered(x, i):
    total = 0.0
    for j in range(len(i)):
        total += x[i[j]] * x[j]
    return total + np.sum(x[i] ** 3)

a, x, i = np.random.default_rng(0).normal(size=(3, 3)), np.linspace(0.0, 1.0, 7), np.array([2, 0, 1])
cases = {
    "newton": (newton, (2.0,)), "second": (lj.grad(lj.grad(newton)), (2.0,)), "views": (lj.grad(views), (x, 1)), "recursion": (lj.grad(mutual), (1.0, 7)),
    "hessian": (lj.hessian(lambda w: np.sum(np.tanh(w[0] * w[1:]) ** 2)), (x,)), "likelihood": (lj.grad(lj.grad(likelihood)), (0.3, x)),
    "spectrum": (lj.hessian(spectrum), (a,)), "product": (lj.jacfwd(lambda b: np.tanh(b @ b) @ b), (a,)), "loop": (lj.value_and_grad(smooth), (x, 5)),
    "containers": (chosen, ({"a": 0.5, "b": 2},)), "gathered": (lj.grad(gathered), (x, i)), "inverse": (lj.grad(lambda b: np.linalg.inv(b)[0, 1]), (a,)),
    "hvp": (lambda w: lj.hvp(lambda u: gathered(u, i), (w,), (w,)), (x,)),
}
cases = {k: (lj.jit(f), args) for k, (f, args) in cases.items()}
new = {k: compiled(f, *args) for k, (f, args) in cases.items()}
results = {k: repr(f(*args)) for k, (f, args) in cases.items()}
errors = []
for name, args in (("containers", ({"a": 2.0, "b": 2},)), ("inverse", (a * 0.0,)), ("gathered", (x, i + 7))):
    try:
        print(cases[name][0](*args))
    except Exception as e:
        errors.append([type(e).__name__, str(e)])
print(json.dumps({"new": new, "results": results, "errors": errors, "seen": seen}))
"""


def test_the_same_program_elsewhere(tmp_path: Path) -> None:
    """In another folder, process and order of hashes, below other comments, nothing is compiled again; errors name the place
    where the program now stands."""
    texts = [ELSEWHERE, "\n# a comment\n\n" + ELSEWHERE.replace("\n    return", "\n    # why\n    return")]
    found = []
    for k, text in enumerate(texts):
        place = tmp_path / str(k)
        place.mkdir()
        found.append(begin(text, place / f"program{k}.py", tmp_path / "cache", fresh=True, PYTHONHASHSEED=str(k)).result())
    cold, warm = found
    assert set(cold["new"].values()) == {True}
    assert set(warm["new"].values()) == {False}
    assert warm["results"] == cold["results"]
    assert cold["seen"] == warm["seen"] == []
    for k, text in enumerate(texts):
        lines = (PRELUDE + textwrap.dedent(text)).split("\n")
        inverse, total = (next(i for i, line in enumerate(lines, 1) if sign in line) for sign in ('"inverse": (', "total +="))
        assert found[k]["errors"] == [
            ["ValueError", "too large"],
            ["LinAlgError", f"Singular matrix  [{tmp_path}/{k}/program{k}.py:{inverse} in <lambda>]"],
            ["ArrayIndexError", f"index 9 is out of bounds for axis 0 with size 7  [{tmp_path}/{k}/program{k}.py:{total} in gathered]"],
        ]


def test_a_function_that_is_defined_again(tmp_path: Path) -> None:
    """As in a notebook whose cell runs again, under another name; what ran on the interpreter before does not count."""
    program = """
    import linecache
    text = "def f(x, n):\\n    while x < n:\\n        x = x * x + 1.0\\n    return x\\n"
    new = []
    for k in range(4):
        name, scope = f"cell {k}", {}
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), scope)
        g = lj.grad(lj.grad(scope["f"]))
        if k == 2:
            g(1.5, 10.0)
        new.append(compiled(lj.jit(g), 1.5, 10.0))
    print(json.dumps(new))
    """
    assert run(tmp_path, program) == [True, False, False, False]


# ---- errors
MODULE = """

class MyError(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code

def element(a, i):
    return a[i] + 1.0

def checked(x):
    if x < 0:
        raise MyError(CODE, "TEXT")
    assert x < 100, "too large in TEXT"
    return 1 // int(x)

def looped(a, n):
    s = 0.0
    for i in range(n):
        s = s + element(a, i)
    return s
"""

ERRORS = """
import one, two
out, new = [], []
for m in (one, two, one):
    element, checked, looped = lj.jit(m.element), lj.jit(m.checked), lj.jit(lj.grad(m.looped))
    new.append([compiled(element, np.ones(3), 1), compiled(checked, 1.0), compiled(looped, np.ones(3), 2)])
    calls = [(element, (np.ones(3), 3)), (checked, (-1.0,)), (checked, (1000.0,)), (checked, (0.5,)), (looped, (np.ones(3), 4))]
    for f, args in calls * 2:
        try:
            f(*args)
        except Exception as e:
            out.append([type(e).__name__, str(e), getattr(e, "code", None)])
    assert element(np.ones(3), 2) == 2.0
print(json.dumps({"new": new, "out": out}))
"""


def test_errors_name_their_own_file_and_line(tmp_path: Path) -> None:
    """Two files with the same functions; a warm process; and one after the lines of a file have moved."""

    def expected(*files: tuple[str, int, int]) -> list[Any]:
        out = []
        for name, code, lines in files:
            where = f"[{tmp_path}/{name}.py:{{}} in {{}}]"
            index = ["ArrayIndexError", f"index 3 is out of bounds for axis 0 with size 3  {where.format(9 + lines, 'element')}", None]
            own = ["MyError", f"({code}, '{name}')", code]
            large = ["StagedAssertionError", f"too large in {name}  {where.format(14 + lines, 'checked')}", None]
            zero = ["ZeroDivideError", f"integer division or modulo by zero  {where.format(15 + lines, 'checked')}", None]
            out += [index, own, large, zero, index] * 2
        return out

    def write(name: str, code: int, lines: int) -> None:
        (tmp_path / f"{name}.py").write_text("# another line\n" * lines + MODULE.replace("CODE", str(code)).replace("TEXT", name))

    write("one", 1, 0)
    write("two", 2, 100)
    cold, again = run(tmp_path, ERRORS), run(tmp_path, ERRORS, fresh=True)
    assert cold["new"][0] == [True] * 3
    assert again["new"] == [[False] * 3] * 3
    assert cold["out"] == again["out"] == expected(("one", 1, 0), ("two", 2, 100), ("one", 1, 0))
    write("one", 3, 7)
    assert run(tmp_path, ERRORS)["out"] == expected(("one", 3, 7), ("two", 2, 100), ("one", 3, 7))


# ---- damage
SMALL = """
f, g = lj.jit(polynomial), lj.jit(lj.grad(newton))
new = [compiled(f, 2.0, 5), compiled(g, 2.0)]
print(json.dumps({"compiled": new, "results": [f(2.0, 5), g(2.0)], "seen": seen}))
"""

DAMAGE: dict[str, Any] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: random.Random(1).randbytes(len(data)),
    "a flipped byte": lambda data: data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 16]) + data[len(data) // 3 + 1 :],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with what SMALL needs, and what SMALL printed."""
    place = tmp_path_factory.mktemp("filled")
    return place / "cache", run(place, SMALL)


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_made_again(tmp_path: Path, filled: tuple[Path, Any], kind: str) -> None:
    folder, cold = tmp_path / "cache", filled[1]
    shutil.copytree(filled[0], folder)
    names = objects(folder)
    assert len(names) >= 3  # the two functions, and what every process needs
    for p in names:
        p.write_bytes(DAMAGE[kind](p.read_bytes()))
    assert run(tmp_path, SMALL) == cold
    assert objects(folder) == names
    if kind == "a flipped byte":
        assert run(tmp_path, SMALL) == {**cold, "compiled": [False, False]}


def test_no_byte_of_a_file_is_trusted(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        """
        lj.jit(lambda x, n: x)(1.0, 5)  # what all processes and calls like it have
        before = set(folder.glob("*.obj"))
        lj.jit(polynomial)(2.0, 5)
        path, = set(folder.glob("*.obj")) - before
        good = path.read_bytes()
        places = [0, 13, 14, 30, 45, 46, 50, 53, 54, *range(60, len(good), len(good) // 12), len(good) - 1]
        damaged = [good[:i] + bytes([good[i] ^ 1]) + good[i + 1:] for i in places]
        damaged += [good[:i] for i in places[::2]] + [good + b"\\0", bytes(len(good)), good[::-1]]
        out = []
        for data in damaged:
            path.write_bytes(data)
            f = lj.jit(polynomial)
            out.append([compiled(f, 2.0, 5), f(2.0, 5), path.exists()])
        f = lj.jit(polynomial)
        print(json.dumps([out, compiled(f, 2.0, 5)]))
        """,
    )
    assert len(out[0]) > 30
    assert all(x == [True, 26.0, True] for x in out[0])
    assert out[1] is False


def test_a_folder_in_the_place_of_a_file(tmp_path: Path, filled: tuple[Path, Any]) -> None:
    for p in objects(filled[0]):
        (tmp_path / "cache" / p.name).mkdir(parents=True)
    again = run(tmp_path, SMALL)
    assert again["results"] == filled[1]["results"]
    assert {x[0] for x in again["seen"]} <= {"CacheWarning"}


def test_no_corruption_of_a_file_is_accepted() -> None:
    """Random bit flips, cuts, insertions, exchanges and repeats, and whole files under another name."""
    g = random.Random(7)
    name, other = "a" * 64, "b" * 64
    code = g.randbytes(300)
    payload = b"\x02\0\0\0\0\0\0\0{}" + code
    good = cache.MAGIC + cache._digest(name, payload) + payload
    assert cache._unpack(name, good) == ({}, code)
    assert cache._unpack(other, good) is None

    def damaged(data: bytes) -> bytes:
        kind, i, j = g.randrange(6), g.randrange(len(data)), g.randrange(len(data) + 1)
        i, j = min(i, j), max(i, j)
        return [
            data[:i] + bytes([data[i] ^ 1 << g.randrange(8)]) + data[i + 1 :],
            data[:i],
            data[:i] + g.randbytes(g.randrange(1, 9)) + data[i:],
            data[:i] + data[j:],
            data[j:] + data[i:j] + data[:i],
            data[:i] + g.randbytes(j - i) + data[j:],
        ][kind]

    for _ in range(5000):
        bad = damaged(good)
        assert bad == good or cache._unpack(name, bad) is None


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0" * 7, b"\xff" * 8 + b"{}", b"\3\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]code", b"\2\0\0\0\0\0\0\0{]code",
     b"\2\0\0\0\0\0\0\0\xff\xfe", (100_000).to_bytes(8, "little") + b"[" * 100_000],
)  # fmt: skip
def test_a_file_that_is_well_formed_but_senseless(payload: bytes) -> None:
    assert cache._unpack("name", cache.MAGIC + cache._digest("name", payload) + payload) is None


@pytest.mark.parametrize(
    "notes",
    [{}, {"policies": {}, "needs": []}, {"policies": [], "needs": [], "sites": []}, {"policies": {}, "needs": [1], "sites": []},
     {"policies": {}, "needs": [], "sites": [2]}, {"policies": {}, "needs": [], "sites": [-1]}, {"policies": {}, "needs": [], "sites": [True]},
     {"policies": {}, "needs": [], "sites": [["f"]]}, {"policies": {}, "needs": [], "sites": [[2, "text"]]}, {"policies": {}, "needs": [], "sites": 5}],
)  # fmt: skip
def test_notes_that_do_not_belong_to_the_program(notes: dict[str, Any]) -> None:
    good = {"policies": {"f": "replay"}, "parallel": {"k": ["why", 4]}, "needs": ["sin"], "sites": [None, 0, 1, [1, "text"], ["f", "f"]]}
    assert sound(good, 2)
    assert not sound({**good, "parallel": {"k": ["why", 5]}}, 2)
    assert not sound({"parallel": {}, **notes}, 2)


LAYOUTS = """
import shutil, socket

top = folder
first = os.environ["LANTERN_CACHE_DIR"] = str(top / "first")
lj.jit(lambda x, n: x)(1.0, 5)  # makes what all programs, and calls like these, share
def made(f, *args):
    before = set(os.listdir(first))
    assert compiled(lj.jit(f), *args)
    (name,) = set(os.listdir(first)) - before
    return name
good, wrong = made(polynomial, 2.0, 5), made(lambda x, n: x - n, 2.0, 5)

def outer(folder): return folder.parent
def entry(folder): return folder / good
def instead(make):
    def change(folder):
        entry(folder).unlink()
        make(entry(folder))
    return change
def huge(path):
    with open(path, "wb") as file: file.truncate(1 << 40)
def linked(place):
    def change(folder):
        folder.rename(folder.parent / "real")
        folder.symlink_to(folder.parent / "real")
        place(folder.parent / "real")
    return change

trusted = {
    "as it is": lambda d: None, "a link to it": linked(lambda real: None), "below a folder as /tmp": lambda d: outer(d).chmod(0o1777),
    "readable": lambda d: [d.chmod(0o755), entry(d).chmod(0o644)],
}
folders = {
    "others may write": lambda d: d.chmod(0o777), "the group may write": lambda d: d.chmod(0o770), "as /tmp": lambda d: d.chmod(0o1777),
    "others may write above": lambda d: outer(d).chmod(0o777), "the group may write above": lambda d: outer(d).chmod(0o775),
    "others may write far above": lambda d: outer(outer(d)).chmod(0o757), "a link to where others may write": linked(lambda real: real.chmod(0o777)),
}
files = {
    "a pipe": instead(os.mkfifo), "a socket": instead(lambda p: [os.chdir(p.parent), socket.socket(socket.AF_UNIX).bind(p.name[:50]), os.rename(p.name[:50], p)]),
    "a link to a good file": instead(lambda p: p.symlink_to(Path(first) / good)), "a link to nowhere": instead(lambda p: p.symlink_to("nowhere")),
    "a link to a device": instead(lambda p: p.symlink_to("/dev/zero")), "a link to itself": instead(lambda p: p.symlink_to(p)),
    "a second name": instead(lambda p: os.link(Path(first) / good, p)), "empty": instead(Path.touch), "huge": instead(huge),
    "others may write it": lambda d: entry(d).chmod(0o666), "the group may write it": lambda d: entry(d).chmod(0o660),
    "another program's": lambda d: os.replace(d / wrong, entry(d)), "no code": lambda d: entry(d).write_bytes(b"lantern_jit 2\\n"),
}
if os.geteuid() == 0:
    folders |= {"another user's": lambda d: os.chown(d, 12345, -1), "another user's above": lambda d: os.chown(outer(d), 12345, -1)}
    files |= {"another user's file": lambda d: os.chown(entry(d), 12345, -1), "a device": instead(lambda p: os.mknod(p, 0o020600, os.makedev(1, 5)))}

out = {}
for kind, layouts in (("trusted", trusted), ("folders", folders), ("files", files)):
    for name, change in layouts.items():
        base = top / name.replace(" ", "_").replace("/", "")
        folder = base / "between" / "cache"
        folder.parent.mkdir(parents=True)
        shutil.copytree(first, folder)
        os.chmod(folder, 0o700)
        change(folder)
        os.environ["LANTERN_CACHE_DIR"] = str(folder)
        seen.clear()
        f, again = lj.jit(polynomial), lj.jit(polynomial)
        out[f"{kind}: {name}"] = [compiled(f, 2.0, 5), f(2.0, 5), compiled(again, 2.0, 5), again(2.0, 5), [x[0] for x in seen]]
print(json.dumps(out))
"""


def test_only_what_nobody_else_can_have_written_is_loaded(tmp_path: Path) -> None:
    """A file is loaded, or it is made again, or nothing is loaded from the folder and this is said once."""
    found = run(tmp_path, LAYOUTS, tmp_path / "top")
    wanted = {
        "trusted": [False, 26.0, False, 26.0, []],
        "folders": [True, 26.0, True, 26.0, ["CacheWarning"]],
        "files": [True, 26.0, False, 26.0, []],
    }
    assert len(found) >= 24
    assert found == {name: wanted[name.partition(":")[0]] for name in found}


# ---- folders that cannot be used
@pytest.mark.parametrize("place", ["below a file", "a file", "a link to nowhere", "a loop of links", "no files can be made"])
def test_a_folder_that_cannot_be_used(tmp_path: Path, place: str) -> None:
    target = tmp_path / "in the way"
    folder: Path | str = target
    if place in ("below a file", "a file"):
        target.write_text("not a folder")
        folder = target / "cache" if place == "below a file" else target
    elif place == "a link to nowhere":
        target.symlink_to("/dev/null/nothing")
    elif place == "a loop of links":
        target.symlink_to(target)
    else:
        folder = "/proc/self"
    found = run(tmp_path, SMALL, folder)
    assert found["compiled"] == [True, True]
    assert found["results"] == [26.0, pytest.approx(0.5**1.5)]
    assert [x[0] for x in found["seen"]] == ["CacheWarning"]
    assert "LANTERN_CACHE_DIR" in found["seen"][0][1]
    if place in ("below a file", "a file"):
        assert target.read_text() == "not a folder"


def test_the_warning_is_a_class_of_the_errors_module() -> None:
    import lantern_jit as lj

    assert issubclass(lj.errors.CacheWarning, UserWarning)


def test_no_cache(tmp_path: Path) -> None:
    again = "\nprint(json.dumps([compiled(lj.jit(polynomial), 2.0, 5), seen, os.listdir(os.environ['HOME'])]))"
    found = run(tmp_path, "lj.jit(polynomial)(2.0, 5)" + again, "", HOME=str(tmp_path))
    assert found[:2] == [True, []]
    assert {Path(name).stem for name in found[2]} <= {"program", "program.py"}


def test_the_usual_folder(tmp_path: Path) -> None:
    program = PRELUDE.replace('folder = Path(os.environ["LANTERN_CACHE_DIR"])', "") + SMALL
    for new in (True, False):
        found = start(program, tmp_path / "program.py", HOME=str(tmp_path), XDG_CACHE_HOME="").result()
        assert found["compiled"] == [new, new]
    assert len(objects(tmp_path / ".cache" / "lantern_jit")) >= 3


def test_a_folder_that_goes_away(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """
        import shutil
        out = []
        for k in range(5):
            out.append(lj.jit(lambda x: polynomial(x, 5) + k)(2.0))
            shutil.rmtree(folder)
        print(json.dumps([out, seen]))
        """,
    )
    assert found == [[26.0, 27.0, 28.0, 29.0, 30.0], []]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for it: writes beyond a few bytes fail."""
    found = run(
        tmp_path,
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
        f = lj.jit(polynomial)
        out = f(2.0, 5), lj.jit(newton)(4.0)
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        print(json.dumps([out, seen, os.listdir(folder)]))
        """,
    )
    assert found[0] == [26.0, pytest.approx(2.0)]
    assert [x[0] for x in found[1]] == ["CacheWarning"]
    assert found[2] == []


def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    folder = tmp_path / "cache"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    found = run(tmp_path, SMALL)
    assert found["compiled"] == [True, True]
    assert [x[0] for x in found["seen"]] == ["CacheWarning"]
    assert "belongs to another user" in found["seen"][0][1]
    assert objects(folder) == []


# ---- size
def test_the_folder_stays_within_its_limit(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """
        lj.jit(lambda x: x)(1.0)
        sizes, present = [], []
        for k in range(20):
            before = set(folder.glob("*.obj"))
            assert lj.jit(lambda x: polynomial(x, 5) + k)(2.0) == 26.0 + k
            sizes.append(sum(p.stat().st_size for p in folder.glob("*.obj")))
            present.append(len(set(folder.glob("*.obj")) - before))
        print(json.dumps([sizes, present, seen]))
        """,
        LANTERN_CACHE_MIB=str(20 / 1024),
    )
    sizes, present, seen = found
    assert max(sizes) <= 20 * 1024
    assert sizes[-1] > 10 * 1024
    assert set(present) == {1}  # the newest is there
    assert seen == []


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """
        def add(k):
            before = set(folder.glob("*.obj"))
            lj.jit(lambda x: polynomial(x, 5) + k)(2.0)
            return (set(folder.glob("*.obj")) - before or {None}).pop()

        lj.jit(lambda x: x)(1.0)
        others = list(folder.glob("*.obj"))
        made = [add(k) for k in range(6)]
        for age, p in enumerate([*made[::-1], *others]):  # made[0] is the oldest of all but those of every process
            os.utime(p, (1e9 - 1000 * age, 1e9 - 1000 * age) if p in made else None)
        add(0)  # now it is used
        total = sum(p.stat().st_size for p in folder.glob("*.obj"))
        os.environ["LANTERN_CACHE_MIB"] = str((total + 100) / 2**20)
        new = add(100)
        print(json.dumps([[p.exists() for p in made], new.exists()]))
        """,
    )
    present, newest = found
    assert newest
    assert present[0]  # the oldest, had it not been used
    assert not present[1]
    assert present[3:] == [True] * 3


def test_unfinished_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    old, young, foreign = folder / "old.part", folder / "young.part", folder / "notes.txt"
    for p in (old, young, foreign):
        p.write_text("something")
    os.utime(old, (time.time() - 86400,) * 2)
    os.utime(foreign, (time.time() - 86400,) * 2)
    run(tmp_path, SMALL, LANTERN_CACHE_MIB="0.0001")
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_limits(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """
        out = {}
        lj.jit(lambda x: x)(1.0)
        for k, limit in enumerate(["0", "-1", "0.001", "1e3", "", " 2 ", "nan", "lots", "inf", "-inf", "1e400"]):
            os.environ["LANTERN_CACHE_MIB"] = limit
            try:
                value = lj.jit(lambda x: polynomial(x, 5) + k)(2.0) - k
            except Exception as e:
                value = repr(e)
            out[limit] = [value, len(list(folder.glob("*.obj"))) > 0, [x for x in seen]]
            seen.clear()
        print(json.dumps(out))
        """,
    )
    for limit, (value, kept, seen) in found.items():
        assert value == 26.0, limit
        if limit in ("0", "-1"):
            assert not kept
        if limit in ("1e3", "", " 2 "):
            assert kept
        if limit in ("nan", "lots"):
            assert [x[0] for x in seen] == ["CacheWarning"]
            assert f"LANTERN_CACHE_MIB='{limit}'" in seen[0][1]


# ---- several processes
def test_several_processes_on_one_empty_folder(tmp_path: Path) -> None:
    program = """
    out = []
    for k in range(8):
        out.append(lj.jit(lambda x: polynomial(x, 5) + k)(2.0))
    out.append(lj.jit(lj.grad(newton))(2.0))
    print(json.dumps([out, seen]))
    """
    folder = tmp_path / "cache"
    processes = [begin(program, tmp_path / f"program{i}.py", folder) for i in range(3)]
    found = [p.result() for p in processes]
    assert found[0][0][:8] == [26.0 + k for k in range(8)]
    assert all(x == found[0] for x in found)
    assert found[0][1] == []
    assert list(folder.glob("*.part")) == []
    warm = """
    f = [lj.jit(lambda x, k=k: polynomial(x, 5) + k) for k in range(8)]
    print(json.dumps([compiled(lj.jit(lj.grad(newton)), 2.0)]))
    """
    assert run(tmp_path, warm) == [False]


def test_several_processes_on_a_folder_that_is_too_small(tmp_path: Path) -> None:
    program = """
    out = [lj.jit(lambda x: polynomial(x, 5) + k % 4)(2.0) for k in range(16)]
    print(json.dumps([out, seen]))
    """
    folder = tmp_path / "cache"
    processes = [begin(program, tmp_path / f"program{i}.py", folder, LANTERN_CACHE_MIB=str(5 / 1024)) for i in range(3)]
    for p in processes:
        assert p.result() == [[26.0 + k % 4 for k in range(16)], []]


def test_a_process_killed_while_it_compiles(tmp_path: Path) -> None:
    loop = """
    print(json.dumps("started"), flush=True)
    k = 0
    while True:
        k += 1
        assert lj.jit(lambda x: polynomial(x, 5) + k)(2.0) == 26.0 + k
    """
    folder = tmp_path / "cache"
    for delay in (0.02, 0.31):
        process = begin(loop, tmp_path / "loop.py", folder)
        while not process.printed:
            time.sleep(0.003)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        assert process.status() == -signal.SIGKILL
    found = run(tmp_path, "print(json.dumps([[lj.jit(lambda x: polynomial(x, 5) + k)(2.0) for k in range(20)], seen]))")
    assert found == [[26.0 + k for k in range(20)], []]
    assert len(objects(folder)) > 20


def test_children_of_a_fork_share_the_folder(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """
        lj.jit(polynomial)(2.0, 5)
        children = []
        for k in range(4):
            pid = os.fork()
            if pid == 0:
                ok = all(lj.jit(lambda x: polynomial(x, 5) + j)(2.0) == 26.0 + j for j in range(5))
                os._exit(0 if ok and not seen else 1)
            children.append(pid)
        status = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        new = [compiled(lj.jit(lambda x: polynomial(x, 5) + j), 2.0) for j in range(5)]
        print(json.dumps([status, new]))
        """,
    )
    assert found == [[0] * 4, [False] * 5]
