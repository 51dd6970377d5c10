"""The built site, where there is one (`python tools/docs.py`): it fetches nothing, its links lead somewhere, and its pages look right in a browser."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build" / "docs" / "html"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_checks", ROOT / "tools" / "site_checks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


checks = _loaded()
GOOD = """<html><head><link rel="stylesheet" href="a.css"><script src="a.js"></script></head><body>
<h1 id="top">A</h1><a href="b.html#there">b</a><a href="#top">up</a><a href="https://example.org">elsewhere</a></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A small one, without a fault."""
    (tmp_path / "a.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<html><body><p id="there">b</p></body></html>')
    (tmp_path / "a.css").write_text("p { background: url(data:image/png;base64,AA==) }")
    (tmp_path / "a.js").write_text("")
    return tmp_path


def test_a_good_site_passes(site: Path) -> None:
    assert checks.fetched(site) == []
    assert checks.broken(site) == []


def test_what_is_fetched_from_elsewhere_is_found(site: Path) -> None:
    (site / "c.html").write_text('<img src="https://cdn.example/x.png"><script src="//cdn.example/x.js"></script>')
    (site / "c.css").write_text("@import url('https://fonts.example/a');")
    assert len(checks.fetched(site)) == 3


def test_broken_links_are_found(site: Path) -> None:
    (site / "c.html").write_text('<a href="d.html">d</a><a href="b.html#nowhere">b</a><a href="#no">no</a><img src="no.png">')
    assert len(checks.broken(site)) == 4


@pytest.mark.more
@pytest.mark.skipif(not (BUILT / "index.html").exists(), reason="the site is not built: python tools/docs.py")
def test_the_built_site() -> None:
    assert len(checks.pages(BUILT)) > 70
    assert checks.fetched(BUILT) == []
    assert checks.broken(BUILT) == []


@pytest.mark.more
@pytest.mark.skipif(not (BUILT / "index.html").exists(), reason="the site is not built: python tools/docs.py")
def test_the_built_site_in_a_browser() -> None:
    missing = checks.no_browser()
    if missing:
        pytest.skip(missing)
    assert checks.look(BUILT) == []


@pytest.mark.more
def test_a_page_with_faults_in_a_browser(tmp_path: Path) -> None:
    missing = checks.no_browser()
    if missing:
        pytest.skip(missing)
    (tmp_path / "a.html").write_text(
        '<html><body class="bd-main"><div style="width: 900px">wide</div><script>console.error("said")</script></body></html>'
    )
    found = checks.look(tmp_path)
    assert sum("said" in line for line in found) == 2
    assert sum("wider than the window" in line for line in found) == 1  # at 400, not at 1,280
