"""Machine code kept on disk, so that a program is compiled once for a machine and not once for a process.

A file is `magic, SHA-256 of its name and the rest, length of the notes, notes as JSON, object file`. Its name is the
SHA-256 of all that the code depends on. A file appears whole or not at all (written elsewhere, then renamed), what is
damaged or belongs to another name is removed and made again, and the oldest files go when the folder passes its limit.

Code runs with the user's rights, so it is read only where nobody else can have written it: from regular files of the
user's in a folder of the user's, all of whose parents only the user and root may change. What cannot be used is said
once, as a `CacheWarning`, and costs only the time to compile.

LANTERN_CACHE_DIR names the folder (empty: no cache), LANTERN_CACHE_MIB its limit.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import os
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from ....ir.core.errors import CacheWarning

ROOT = Path(__file__).resolve().parents[3]
MAGIC = b"lantern_jit 2\n"
DEFAULT_LIMIT = 256  # MiB
LARGEST = 1 << 30  # bytes of one file
OTHERS = stat.S_IWGRP | stat.S_IWOTH
STALE = 3600.0  # seconds after which an unfinished file belongs to nobody
_WARNED: list[str] = []


def folder() -> Path | None:
    """Where files are kept; None if there is to be no cache."""
    chosen = os.environ.get("LANTERN_CACHE_DIR")
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(platformdirs.user_cache_dir("lantern_jit", appauthor=False))


def limit() -> int:
    """The most bytes that the folder may hold."""
    chosen = os.environ.get("LANTERN_CACHE_MIB", "")
    try:
        mib = float(chosen or DEFAULT_LIMIT)
        if mib != mib:
            raise ValueError
        return int(min(max(mib, 0.0), 2.0**40) * 2**20)
    except ValueError:
        _warn(f"LANTERN_CACHE_MIB={chosen!r} is not a number of MiB; {DEFAULT_LIMIT} is used")
        return DEFAULT_LIMIT << 20


def sources() -> list[Path]:
    """The files that machine code depends on."""
    parts = [ROOT / part for part in ("ir", "backends/llvm", "backends/targets")]
    return [path for part in parts for path in sorted([*part.rglob("*.py"), *part.rglob("*.ll")])]


@functools.cache
def environment() -> str:
    """What all machine code of this process depends on: versions, the CPU, and the compiler's own source."""
    from .compile import host

    facts = (sys.implementation.cache_tag, object.__basicsize__, np.__version__, host())
    hashed = hashlib.sha256(repr(facts).encode())
    for path in sources():  # by contents: another installation of the same has the same code
        hashed.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return hashed.hexdigest()


def key(*parts: Any) -> str:
    """The name of code that depends on `parts` (whose repr says all of them) and on the environment."""
    return hashlib.sha256(repr((environment(), parts)).encode()).hexdigest()


def read(name: str) -> tuple[dict[str, Any], bytes] | None:
    """(notes, object file) if there is an undamaged file of that name."""
    path = _path(name)
    if path is None:
        return None
    try:
        before = path.lstat()
    except OSError:
        return None
    found = None
    with contextlib.suppress(OSError):
        found = _unpack(name, _contents(path)) if stat.S_ISREG(before.st_mode) else None
    with contextlib.suppress(OSError):
        if found is None:
            path.unlink()
        else:
            os.utime(path)  # used now: the last to go
    return found


def _contents(path: Path) -> bytes:
    """What is in a regular file of the user's that nobody else may write; of anything else nothing. Never waits."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as f:
        s = os.fstat(fd)
        mine = stat.S_ISREG(s.st_mode) and s.st_uid == os.geteuid() and s.st_nlink == 1 and not s.st_mode & OTHERS
        return f.read(s.st_size) if mine and s.st_size <= min(limit(), LARGEST) else b""


def read_all(name: str, count: int) -> tuple[dict[str, Any], list[bytes]] | None:
    """(notes, object files) of a file that holds so many."""
    found = read(name)
    if found is None:
        return None
    notes, whole = found
    lengths = notes.get("lengths")
    if (
        not isinstance(lengths, list)
        or len(lengths) != count
        or not all(type(n) is int and n > 0 for n in lengths)
        or sum(lengths) != len(whole)
    ):
        return None
    ends = list(itertools.accumulate(lengths))
    return notes, [whole[end - n : end] for n, end in zip(lengths, ends, strict=True)]


def write_all(name: str, notes: dict[str, Any], codes: Sequence[bytes]) -> None:
    """Keep several object files under a name, which are read together."""
    write(name, {**notes, "lengths": list(map(len, codes))}, b"".join(codes))


def write(name: str, notes: dict[str, Any], code: bytes) -> None:
    """Keep an object file under a name."""
    path = _path(name)
    if path is None:
        return
    body = json.dumps(notes).encode()
    payload = len(body).to_bytes(8, "little") + body + code
    try:
        fd, temporary = tempfile.mkstemp(".part", "", path.parent)
        try:
            with os.fdopen(fd, "wb") as f:
                f.write(MAGIC + _digest(name, payload) + payload)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as e:
        _warn(
            f"cannot keep compiled code in {path.parent}: {e.strerror or e}. It is compiled again in each process; LANTERN_CACHE_DIR names another folder"
        )
        return
    prune()


def files() -> Iterator[tuple[Path, os.stat_result]]:
    """The cache's files; those that vanish meanwhile are left out."""
    where = folder()
    if where is None or not where.is_dir():
        return
    for path in where.iterdir():
        if path.suffix in (".obj", ".part"):
            with contextlib.suppress(OSError):
                yield path, path.lstat()


def prune() -> None:
    """Remove the files used longest ago until the rest is within the limit, and what crashed writers have left."""
    now, kept = time.time(), []
    for path, s in files():
        if path.suffix == ".part":
            if now - s.st_mtime > STALE:
                with contextlib.suppress(OSError):
                    path.unlink()
        else:
            kept.append((s.st_mtime, s.st_size, path))
    total, most = sum(size for _, size, _ in kept), limit()
    for _, size, path in sorted(kept, key=lambda x: x[0]):
        if total <= most:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def clear() -> int:
    """Remove all files; how many there were."""
    n = 0
    for path, _ in files():
        with contextlib.suppress(OSError):
            path.unlink()
            n += 1
    return n


def _path(name: str) -> Path | None:
    """The file of a name in the folder, which is made if need be; None if nothing in there could be trusted."""
    where = folder()
    if where is None:
        return None
    try:
        _make(where)
        real = Path(os.path.realpath(where, strict=True))  # links on the way do not matter: this is where we read
        doubt = _doubt(real)
    except OSError as e:
        _warn(f"cannot use the cache folder {where}: {e.strerror or e}. Compiled code is not kept; LANTERN_CACHE_DIR names another folder")
        return None
    if doubt:
        _warn(
            f"machine code in the cache folder {where} is not trusted, as {doubt}. Compiled code is not kept; LANTERN_CACHE_DIR names another folder"
        )
        return None
    return real / f"{name}.obj"


def _make(where: Path) -> None:
    """Make a folder, and those that it is to be in, for this user alone."""
    if not where.exists():
        if where.parent != where:
            _make(where.parent)
        where.mkdir(mode=0o700, exist_ok=True)
    elif not where.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _doubt(real: Path) -> str | None:
    """Why somebody else could put files into a folder, if so. Who may write to one of its parents could put another in its
    place, but not in the place of somebody else's if the parent is sticky, as /tmp is."""
    for place in (real, *real.parents):
        s = place.lstat()
        if s.st_uid != os.geteuid() and (s.st_uid != 0 or place == real):
            return f"{place} belongs to another user"
        if s.st_mode & OTHERS and (place == real or not s.st_mode & stat.S_ISVTX):
            return f"others may write to {place} (chmod go-w)"
    return None


def _digest(name: str, payload: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + payload).digest()


def _unpack(name: str, data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """(notes, object file) of a file's contents; None if they are not what was written under that name."""
    start = len(MAGIC) + 32
    payload = data[start:]
    if data[: len(MAGIC)] != MAGIC or _digest(name, payload) != data[len(MAGIC) : start]:
        return None
    n = int.from_bytes(payload[:8], "little")
    try:
        notes = json.loads(payload[8 : 8 + n]) if n <= len(payload) - 8 else None
    except (ValueError, RecursionError):
        return None
    return (notes, payload[8 + n :]) if isinstance(notes, dict) else None


def _warn(text: str) -> None:
    """Once in a process."""
    if text not in _WARNED:
        _WARNED.append(text)
        warnings.warn(text, CacheWarning, stacklevel=2)
