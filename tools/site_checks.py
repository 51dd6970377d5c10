"""What is asked of the built site: nothing is fetched from elsewhere, each internal link leads somewhere, pages look right in a browser."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

WIDTHS = 400, 1280
ELSEWHERE = re.compile(r"^(https?:)?//")


class _Page(HTMLParser):
    """The links, resources and anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.resources.append(given.get("href", ""))
        elif "src" in given:
            self.resources.append(given["src"])


def pages(folder: Path) -> list[Path]:
    """All pages of a built site."""
    return sorted(path for path in folder.rglob("*.html") if "_static" not in path.parts)


@functools.cache
def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    return page


def fetched(folder: Path) -> list[str]:
    """What would be loaded from elsewhere."""
    found = [f"{path.relative_to(folder)} loads {r}" for path in pages(folder) for r in _read(path).resources if ELSEWHERE.match(r)]
    for path in folder.rglob("*.css"):
        found += [
            f"{path.relative_to(folder)} loads {url}"
            for url in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text())
        ]
    return found


def broken(folder: Path) -> list[str]:
    """Links and resources inside of the site that lead nowhere."""
    found = []
    for path in pages(folder):
        for link in {*_read(path).links, *_read(path).resources}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.is_file() and (
                not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in _read(target).anchors
            )
            if not there:
                found.append(f"{path.relative_to(folder)} links to {link}, which is not there")
    return sorted(found)


# ---- in a browser
def _executable() -> str | None:
    """A browser of the system, where it is not playwright's own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _launched(playwright: Any) -> Any:
    return playwright.chromium.launch(executable_path=_executable(), args=["--no-sandbox"])


def no_browser() -> str:
    """Why no page can be opened; "" if they can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            _launched(playwright).close()
        except Error as error:
            return f"no Chromium starts ({str(error).strip().splitlines()[0]}); `playwright install chromium` gets one, CHROMIUM names one"
    return ""


_WIDER = """() => {
    const width = document.documentElement.clientWidth
    if (document.documentElement.scrollWidth <= width) return ''
    const far = [...document.querySelectorAll('.bd-main *')].filter(e => e.getBoundingClientRect().right > width + 1)
    return 'page of ' + document.documentElement.scrollWidth + ': ' + far.slice(0, 3).map(e => e.tagName + '.' + e.className).join(', ')
}"""


def look(folder: Path, pictures: Path | None = None) -> list[str]:
    """Open each page in each width, without a network: what its console says, what is missing, what is wider than the window."""
    from playwright.sync_api import sync_playwright

    found: list[str] = []
    with sync_playwright() as playwright:
        browser = _launched(playwright)
        for width in WIDTHS:
            context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
            tab, said = context.new_page(), list[str]()
            tab.on("console", lambda message, said=said: said.append(message.text) if message.type in ("error", "warning") else None)
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.on("requestfailed", lambda request, said=said: said.append(f"{request.url} is not loaded"))
            for path in pages(folder):
                said.clear()
                tab.goto(path.as_uri())
                wider = tab.evaluate(_WIDER)
                name = path.relative_to(folder)
                found += [f"{name} at {width}: {what}" for what in [*said, *([f"wider than the window: {wider}"] if wider else [])]]
                if pictures is not None:
                    pictures.mkdir(parents=True, exist_ok=True)
                    tab.screenshot(path=pictures / f"{'_'.join(name.with_suffix('').parts)}-{width}.png", full_page=True)
            context.close()
        browser.close()
    return found
