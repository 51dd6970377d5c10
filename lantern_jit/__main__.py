"""`python -m lantern_jit`: the command `lantern-jit`."""

from __future__ import annotations

import sys

from .command.cli import main

if __name__ == "__main__":
    sys.exit(main())
