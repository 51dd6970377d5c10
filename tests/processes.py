"""Programs in processes of their own, for what must not touch the process of the tests.

A fresh interpreter needs half a second to import NumPy, SciPy and LLVM. So processes are forked from a server that has
imported them and done nothing else: nothing is traced, compiled or loaded there. `fresh=True` asks for an interpreter
from scratch, with addresses of its own, where that matters.

    python -m tests.processes   the server; it reads requests from its standard input
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE = float(os.environ.get("LANTERN_TEST_PATIENCE", "1"))  # how many times longer programs may take, where all is slow


@dataclass
class Running:
    """A program under way. It prints to `<path>.out`."""

    path: Path
    pid: int
    popen: subprocess.Popen[bytes] | None = None

    @property
    def printed(self) -> str:
        return Path(f"{self.path}.out").read_text()

    def status(self, timeout: float = 60) -> int:
        """The exit status, which is -n for a death by signal n. What takes longer than `timeout` seconds is killed."""
        file, end = Path(f"{self.path}.status"), time.monotonic() + timeout * PATIENCE
        while True:
            if self.popen is not None and self.popen.poll() is not None:
                return self.popen.returncode
            if self.popen is None and file.exists():
                return int(file.read_text())
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"not ended after {timeout} s\n{self.printed[-2000:]}\n{Path(f'{self.path}.err').read_text()[-3000:]}")
            time.sleep(0.003)

    def result(self, timeout: float = 60) -> Any:
        """What it printed, which is JSON."""
        status = self.status(timeout)
        assert status == 0, f"exit status {status}\n{self.printed[-2000:]}\n{Path(f'{self.path}.err').read_text()[-3000:]}"
        return json.loads(self.printed)


def start(text: str, path: Path, fresh: bool = False, **environment: str) -> Running:
    """Write a program to `path` and run it. Of the variables LANTERN_* it sees only those of `environment`."""
    path.write_text(textwrap.dedent(text))
    Path(f"{path}.status").unlink(missing_ok=True)
    Path(f"{path}.out").write_text("")
    env = {k: v for k, v in os.environ.items() if not k.startswith("LANTERN_")}
    env = {**env, "PYTHONPATH": str(ROOT), **environment}
    if fresh:
        with open(f"{path}.out", "wb") as out, open(f"{path}.err", "wb") as err:
            popen = subprocess.Popen([sys.executable, str(path)], env=env, stdout=out, stderr=err)
        return Running(path, popen.pid, popen)
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps([str(path), env]) + "\n")
    server.stdin.flush()
    return Running(path, int(server.stdout.readline()))


@functools.cache
def _server() -> subprocess.Popen[str]:
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("LANTERN_")}, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.processes"]
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    atexit.register(server.communicate)  # it ends with its standard input
    return server


# ---- the server
def serve() -> None:
    """For each request fork a waiter, which forks the program, says its pid and writes its status when it has ended."""
    import scipy.special.cython_special  # noqa: F401

    import lantern_jit.backends.llvm.call.native  # noqa: F401

    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
    while line := sys.stdin.readline():
        path, env = json.loads(line)
        while _ended():
            pass
        if os.fork():
            continue
        pid = os.fork()
        if pid:
            os.write(1, f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            Path(f"{path}.part").write_text(str(os.waitstatus_to_exitcode(status)))
            os.replace(f"{path}.part", f"{path}.status")
            os._exit(0)
        become(path, env)
        return  # and out of the interpreter as any program


def _ended() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def become(path: str, env: dict[str, str]) -> None:
    """Run the program at `path` as __main__."""
    for fd, name in ((0, os.devnull), (1, f"{path}.out"), (2, f"{path}.err")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC * (fd > 0), 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))  # seconds: should nobody be left who would end it
    os.environ.clear()
    os.environ.update(env)
    main = types.ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    sys.argv, sys.path[0] = [path], os.path.dirname(path)
    exec(compile(Path(path).read_text(), path, "exec"), main.__dict__)


if __name__ == "__main__":
    serve()
