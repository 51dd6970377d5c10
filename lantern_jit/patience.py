"""Long compilations say so: once, while they are under way, through the logger `lantern_jit`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds of compiling before a message
MANY = 256  # arguments that take long to compile
LOGGER = logging.getLogger("lantern_jit")


class Progress:
    """Of one specialisation: the seconds that its stages have taken, and whether that has been said."""

    def __init__(self, name: str, arguments: int = 0) -> None:
        self.name = name
        why = f": each of the {arguments} numbers and arrays in its arguments is one of its own there. Give long lists of numbers as arrays"
        self.why = why if arguments > MANY else ""
        self.spent = 0.0
        self.said = False
        self.depth = 0
        self.under_way = ""

    def now(self, stage: str) -> None:
        """What a stage is about now, for the message."""
        self.under_way = stage

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Around one stage. The message comes from a timer: neither a loop of Python's nor LLVM has to stop for it."""
        if self.said or self.depth:  # a stage inside of one
            yield
            return
        start = time.monotonic()
        self.now(stage)
        timer = threading.Timer(max(PATIENCE - self.spent, 0.0), lambda: self._say(self.spent + time.monotonic() - start))
        timer.daemon = True
        timer.name = "lantern-progress"
        self.depth += 1
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join(1.0)  # a handler may take its time, or wait for this very compilation
            self.depth -= 1
            self.spent += time.monotonic() - start

    def _say(self, seconds: float) -> None:
        if not self.said:
            self.said = True
            LOGGER.warning("`%s` is still being compiled after %.1f s, now in %s%s", self.name, seconds, self.under_way, self.why)
