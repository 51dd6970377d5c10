"""An AArch64 Python on a machine of another kind, run by QEMU's user-mode emulation: where native code for AArch64 is tested.

    python tools/aarch64.py setup           make it (Debian or Ubuntu, network, no root: 900 MB, a minute)
    python tools/aarch64.py python ARGS..   run that Python, in this checkout
    python tools/aarch64.py test [ARGS..]   pytest there, with ARGS or on a selection of a few minutes
    python tools/aarch64.py check           set it up if that can be done, and run the selection; else say why not

It lies in a folder .aarch64 of this checkout, LANTERN_AARCH64 names another. Debian's packages of Python and its libraries are unpacked into
`root`, wheels into `site`. `bin` has what emulated programs find first: `python`, which is the emulated sys.executable, and, where there is
a cross compiler (package gcc-aarch64-linux-gnu), `cc`, whose programs run emulated, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("LANTERN_AARCH64") or ROOT / ".aarch64").resolve()
READY = FOLDER / "ready"
CROSS = "aarch64-linux-gnu-gcc"
DEBIAN = ("python3", "libstdc++6", "libgomp1", "libatomic1")  # and all that they depend on
WHEELS = ("llvmlite", "numpy", "scipy", "optree", "platformdirs", "pytest", "pytest-xdist", "hypothesis", "cloudpickle", "mpmath")
PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 26, 24, 17)] + ["manylinux2014_aarch64"]
SELECTION = (
    "tests/test_targets.py",
    *(f"tests/test_threads.py::test_{name}" for name in ("ctrl_c", "forks", "exceptions_in_threads")),
    *(f"tests/test_c_functions.py::test_{name}" for name in ("every_scalar_type", "export_of_types")),
    "tests/test_recursion.py",
    "tests/test_other_targets.py",
    "tests/test_array_gradients.py",
)
LONGEST = 60  # seconds
QUIRK = "ignore:divide by zero encountered in matmul:RuntimeWarning"  # NumPy says so of its own float32 products when they are emulated


class NotHere(Exception):
    """The emulator cannot be set up; the text says why."""


# ---- making it
def setup() -> None:
    """Everything, from packages whose names are above."""
    if READY.exists():
        return
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise NotHere(f"there is no {tool}: packages come from Debian or Ubuntu")
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in ("state/lists/partial", "cache/archives/partial", "own/partial", "root", "site", "bin"):
        (FOLDER / name).mkdir(parents=True)
    unpack_debian()
    version = next(p.name.removeprefix("python") for p in (FOLDER / "root/usr/bin").glob("python3.[0-9]*") if "-" not in p.name)
    platforms = [x for p in PLATFORMS for x in ("--platform", p)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:", "--python-version", version]
    command([*pip, "--implementation", "cp", *platforms, "--target", str(FOLDER / "site"), *WHEELS])
    write_programs(version)
    READY.write_text(version)


def unpack_debian() -> None:
    """Packages of AArch64 with a state of apt's own, as if nothing were installed, and QEMU for this machine."""
    (FOLDER / "state/status").touch()
    private = [
        f"Dir::State={FOLDER}/state",
        f"Dir::State::status={FOLDER}/state/status",
        f"Dir::Cache={FOLDER}/cache",
        "Debug::NoLocking=1",
    ]
    apt = ["apt-get", "-qq", *(x for option in private for x in ("-o", option))]
    arm = [*apt, "-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64"]
    command([*arm, "update"])
    command([*arm, "install", "--yes", "--download-only", "--no-install-recommends", *DEBIAN])
    for package in (FOLDER / "cache/archives").glob("*.deb"):
        command(["dpkg-deb", "-x", str(package), str(FOLDER / "root")])
    if qemu() is None:
        command([*apt, "update"])
        command([*apt, "download", "qemu-user-static"], FOLDER / "own")
        for package in (FOLDER / "own").glob("*.deb"):
            command(["dpkg-deb", "-x", str(package), str(FOLDER / "own")])
    shutil.rmtree(FOLDER / "cache")
    shutil.rmtree(FOLDER / "state")


def qemu() -> str | None:
    """The emulator: installed, or unpacked here."""
    own = FOLDER / "own/usr/bin/qemu-aarch64-static"
    return shutil.which("qemu-aarch64-static") or (str(own) if own.exists() else None)


def write_programs(version: str) -> None:
    """`python`, and `cc` where there is a cross compiler. A program that it links becomes a script that emulates it."""
    root = f'-L "{FOLDER}/root"'
    programs = {
        "python": f'PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{FOLDER}/site" exec "{qemu()}" -0 "$0" {root} "{FOLDER}/root/usr/bin/python{version}" "$@"\n'
    }
    if shutil.which(CROSS):
        programs["cc"] = programs["gcc"] = (
            f'{shutil.which(CROSS)} "$@" || exit\nfor x; do case $x in -shared|-c|-S|-E) exit;; esac; done\n'
            'while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done\n[ -n "$out" ] || exit 0\nmv "$out" "$out.aarch64"\n'
            f'printf \'#!/bin/sh\\nexec %s "%s" "$@"\\n\' \'"{qemu()}" {root}\' "$(realpath "$out.aarch64")" >"$out"\nchmod +x "$out"\n'
        )
    for name, text in programs.items():
        path = FOLDER / "bin" / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)


def command(words: Sequence[str], where: Path = ROOT) -> None:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"{' '.join(words[:2])} .. failed: {(done.stderr or done.stdout).strip()[-500:]}")


# ---- running it
def run(arguments: Sequence[str], longest: float | None = None) -> int:
    """The emulated Python; its exit status. Raises subprocess.TimeoutExpired after so many seconds."""
    if not READY.exists():
        raise NotHere(f"there is nothing in {FOLDER}: python tools/aarch64.py setup")
    programs = [str(FOLDER / "bin"), os.environ.get("PATH", "")]
    paths = os.pathsep.join(programs if shutil.which(CROSS) else programs[:1])  # no compiler rather than one for this machine
    cache = os.environ.get("LANTERN_CACHE_DIR", str(FOLDER / "code"))
    env = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT), "LANTERN_CACHE_DIR": cache, "LANTERN_TEST_PATIENCE": "10"}
    return subprocess.run([str(FOLDER / "bin/python"), *arguments], cwd=ROOT, env=env, check=False, timeout=longest).returncode


def pytest(arguments: Sequence[str], longest: float | None = None) -> int:
    """pytest; on the selection unless there is more than options."""
    chosen = () if any(not a.startswith("-") for a in arguments) else SELECTION
    return run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", QUIRK, *arguments, *chosen], longest)


def check() -> int:
    try:
        setup()
    except NotHere as e:
        print(f"native code for AArch64 was NOT tested: {e}", flush=True)
        return 0
    try:
        return pytest(["-x", f"-n{os.cpu_count() or 1}"], LONGEST)
    except subprocess.TimeoutExpired:
        print(f"\nof the tests for AArch64 only those above ran, without a failure, in {LONGEST} s", flush=True)
        return 0


def main(words: Sequence[str]) -> int:
    what, *rest = words or ["help"]
    try:
        if what == "setup" and not rest:
            setup()
            return 0
        if what in ("python", "test"):
            return run(rest) if what == "python" else pytest(rest)
        if what == "check" and not rest:
            return check()
    except NotHere as e:
        print(e, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
