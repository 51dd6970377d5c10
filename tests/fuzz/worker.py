"""Checks programs in a process of its own, so that a crash or a hang in native code ends only that process.

Run as a module it reads a line of JSON (a program's source and how to check it) and answers one JSON outcome a line.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

from .check import Outcome, check


class Worker:
    """A process that checks programs, started again where one ends it."""

    def __init__(self, seconds: float = 20.0) -> None:
        self.seconds = seconds
        self.process: subprocess.Popen[str] | None = None

    def _start(self) -> subprocess.Popen[str]:
        root = Path(__file__).parents[2]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.worker", str(self.seconds)]
        return subprocess.Popen(
            command,
            cwd=root,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def check(self, source: str, quick: bool = False) -> Outcome:
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([source, quick]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self.seconds * 2 + 20)
        line = process.stdout.readline() if ready else ""
        if line:
            return Outcome(*json.loads(line))
        self.close()
        return Outcome("crash", "process", f"exit code {process.returncode}") if ready else Outcome("hang", "process")

    def close(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            if process.poll() is None:
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def main() -> None:
    seconds = float(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a program prints must not mix with the answers
    for line in sys.stdin:
        source, quick = json.loads(line)
        print(json.dumps(astuple(check(source, seconds, quick))), file=answers, flush=True)


if __name__ == "__main__":
    main()
