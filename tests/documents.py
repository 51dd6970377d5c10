"""The code blocks of documents, and a plain runner for them."""

from __future__ import annotations

import linecache
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^```(python|\{code-cell\}|\{code-block\})[^\n]*\n((?::\w[^\n]*\n)*)(.*?)^```$", re.S | re.M)


@contextmanager
def module() -> Iterator[dict[str, Any]]:
    """A new module's namespace, for the blocks of a page."""
    made = types.ModuleType("document")
    sys.modules[made.__name__] = made
    try:
        yield vars(made)
    finally:
        del sys.modules[made.__name__]


@dataclass(frozen=True)
class Block:
    """A block of Python. `peer`: the library that it is written for, if it is not ours."""

    page: str
    line: int
    code: str
    peer: str | None

    def run(self, scope: dict[str, Any]) -> None:
        """Run it, with its source where Python looks for that."""
        filename = f"<{self.page}, line {self.line}, {hash(self.code)}>"
        linecache.cache[filename] = (len(self.code), None, self.code.splitlines(keepends=True), filename)
        exec(compile(self.code, filename, "exec"), scope)


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = (ROOT / page).read_text()
    found = []
    for match in FENCE.finditer(text):
        kind, options, code = match.groups()
        peer = re.search(r":caption: (\w+)", options)
        assert (kind == "{code-block}") == (peer is not None), f"{page}: a {{code-block}} of Python is a peer's, with a caption"
        found.append(Block(page, text[: match.start()].count("\n") + 1, code, peer.group(1) if peer else None))
    return found
