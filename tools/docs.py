"""The documents' site: `python tools/docs.py` builds it into build/docs/html, and checks it.

Needs the extra `docs`. Warnings are errors. What is built needs no network; each internal link is followed; with a browser
each page is opened in two widths (`tools/site_checks.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import site_checks

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "docs" / "html"
MADE = [ROOT / "docs" / "gallery", ROOT / "docs" / "api" / "generated"]  # by extensions, beside the sources


def build() -> int:
    """Run Sphinx, from nothing: what pages show is what the library gives now. Its exit status."""
    for folder in [BUILT.parent, *MADE]:
        shutil.rmtree(folder, ignore_errors=True)
    profile = BUILT.parent / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40  # no word of how a kernel is reached\n")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        str(BUILT.parent / "doctrees"),
        "docs",
        str(BUILT),
    ]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(profile.parent)}, check=False
    ).returncode


def main() -> int:
    """Build and check; the exit status."""
    status = build()
    if status:
        return status
    problems = site_checks.fetched(BUILT) + site_checks.broken(BUILT)
    missing = site_checks.no_browser()
    if missing:
        print(f"The pages are not opened: {missing}")
    else:
        problems += site_checks.look(BUILT)
    print("\n".join(problems) or f"{len(site_checks.pages(BUILT))} pages: open {BUILT / 'index.html'}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
