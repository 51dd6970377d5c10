"""The errors of lantern_jit, see `lantern_jit.ir.errors`."""

from .ir.errors import *  # noqa: F403
from .ir.errors import LanternError

__all__ = [name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, LanternError)]
