"""The page of HTML that shows all stages side by side, and what it says of loops, kernels and the calls and returns of a gradient."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.inspection.stages import of_assembly, stages

pytestmark = pytest.mark.optimised

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def root(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def model(x, w, n):
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0.5:
            break
        total += root(x[i]) * w[0]
    speed = 0.0
    for _ in range(n):
        speed += 0.1 * np.sin(speed) * w[1]
    return total + speed + np.sum(np.exp(-x) * x) + float("<b>&" == "")


ARGS = np.linspace(0.6, 2.0, 5), np.array([0.3, 0.7]), 10


@pytest.fixture(scope="module")
def looked() -> Any:
    return lj.jit(lj.grad(model, argnums=(0, 1))).inspect(*ARGS)


class Parsed(HTMLParser):
    """Whether all tags are closed, and the numbers of lines by pane."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pane = ""
        self.places: dict[str, set[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "section":
            self.pane = given["aria-label"]
        if "data-k" in given and "section" in self.open:
            self.places.setdefault(self.pane, set()).add(given["data-k"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line)


def test_one_file_in_which_lines_know_each_other(looked: Any, tmp_path: Path) -> None:
    text = looked.save(tmp_path / "page.html").read_text()
    parsed = Parsed(text)
    assert parsed.open == []
    assert not re.search(r"(src|href)=|https?://|@import|url\(", text.replace(str(Path(__file__)), ""))
    panes = ("source", "graph", "closures", "low-level graph", "LLVM, emitted", "LLVM", "assembly")
    assert tuple(parsed.places) == panes
    sine = re.search(r'data-k="(\d+)"> *{}  '.format(line_of("np.sin(speed)")), text)
    assert sine
    for pane in panes:
        assert sine.group(1) in parsed.places[pane], f"np.sin(speed) has left no line in {pane}"
        assert parsed.places[pane] <= parsed.places["source"]
    assert "float(&quot;&lt;b&gt;&amp;&quot; == &quot;&quot;)" in text
    assert "The assembly has the instructions of the code which runs." in text


def test_what_it_says_of_loops(looked: Any) -> None:
    text = html.unescape(re.sub(r"<[^>]*>", "|", looked.html))
    assert re.search(r"line \d+ in model\|+at most len\(x\)\|+recursion: there are loops in it\|+16\|+0\|+no: there are loops in it", text)
    assert re.search(r"line \d+ in root\|+until its condition fails\|+", text)
    assert re.search(r"line \d+ in model\|+n\|+(replay|chunks)\|+8\|+16\|+no: each iteration needs `speed` of the one before", text)
    assert re.search(r"vector code: yes, \d+ numbers at once \(LLVM says: vectorized loop \(vectorization width: \d+", text)
    assert re.search(r"for i in range\(len\(x\)\):\s+v\d* \+= exp\(-x\[i\]\) \* x\[i\]", text)
    assert re.search(r"\n?sin\(speed\d+, k\d\)", text)
    assert re.search(r"┌─ dspeed\d+ \+= dv\d+ \* cos\(speed\d+\)", text)


def scaled(x):
    return np.exp(x) * x


def test_what_llvm_says_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    inspection = lj.jit(scaled).inspect(np.ones(5))
    monkeypatch.setattr("sys.executable", "")  # of a program that has Python in it
    assert "LLVM says" not in inspection.html
    assert re.search(r"vector code: yes, \d+ numbers at once<", inspection.html)


def test_reprs_are_short(looked: Any) -> None:
    assert (
        repr(looked)
        == "<stages of `grad(model)`: graph, cps, lowered, llvm, llvm_optimized, asm; .save('page.html') shows them side by side>"
    )
    assert looked._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert "<" not in looked._repr_html_().split('srcdoc="')[1].split('"')[0]


def test_places_change_no_code(looked: Any) -> None:
    made = stages(looked.specialisation)
    assert made.alike
    assert [line.text for line in of_assembly(looked.asm)] != []
    assert " @ " not in "\n".join(line.text for line in made.panes["graph"])


def test_on_the_interpreter_there_is_a_graph_alone() -> None:
    looked = lj.jit(lj.grad(model, argnums=1), backend="python").inspect(*ARGS)
    assert set(Parsed(looked.html).places) == {"source", "graph"}


# ---- in a browser
PROBE = """<script>
const line = [...document.querySelectorAll('.pane[aria-label="source"] .l[data-k]')].find((l) => l.textContent.includes("np.sin(speed)"));
line.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
const lit = Object.fromEntries([...document.querySelectorAll(".pane")].map((p) => [p.getAttribute("aria-label"), p.querySelectorAll(".lit").length]));
const seen = [...document.querySelectorAll(".pane:not([hidden]) .code")].every((c) => {
  const l = c.querySelector(".lit"), box = c.getBoundingClientRect(), at = l.getBoundingClientRect();
  return at.top >= box.top - 2 && at.bottom <= box.bottom + 40;
});
const button = document.querySelector('button[data-pane="3"]');
button.click();
const shown = !document.querySelectorAll(".pane")[3].hidden;
line.click();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
const left = document.querySelectorAll(".lit, .pin").length;
const d = document.documentElement;
parent.postMessage({lit, seen, shown, left, wider: d.scrollWidth - d.clientWidth, width: innerWidth}, "*");
</script></body>"""


AROUND = """<!doctype html><body><script>onmessage = (e) => { document.body.dataset.found = JSON.stringify(e.data); };</script>
<iframe src="page.html" style="border:0;width:{width}px;height:900px"></iframe></body>"""  # a window is not so narrow


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [400, 1280])
def test_in_a_browser(looked: Any, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    page.write_text(looked.html.replace("</body>", PROBE))
    (tmp_path / "around.html").write_text(AROUND.replace("{width}", str(width)))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr", "--window-size=1400,1000", "--virtual-time-budget=5000"]  # fmt: skip
    run = subprocess.run([*command, "--dump-dom", (tmp_path / "around.html").as_uri()], capture_output=True, text=True, timeout=120)
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', run.stdout).group(1)))
    assert "CONSOLE" not in run.stderr, "an error of the page's script"
    assert found["width"] == width
    assert found["wider"] == 0, f"wider than {found['width']} pixels"
    assert all(n > 0 for n in found["lit"].values()), found["lit"]
    assert found["shown"]
    assert found["left"] == 0
    assert found["seen"] or width == 400


def test_equal_kernels_of_two_lines_are_one_function_with_places_too() -> None:
    def f(x: Any, y: Any) -> Any:
        a = (((((x + 1) * x + 2) * x + 3) * x + 4) * x + 5) * np.tanh(((((x * x + 6) * x + 7) * x + 8) * x + 9) * x)
        b = (((((y + 1) * y + 2) * y + 3) * y + 4) * y + 5) * np.tanh(((((y * y + 6) * y + 7) * y + 8) * y + 9) * y)
        return a, b

    args = np.ones(5), np.ones(7)
    made = stages(lj.jit(f).lower(*args))
    assert made.alike
    assert sum(line.text.startswith("define internal void @kernel") for line in made.panes["LLVM, emitted"]) == 1
