"""The errors of lantern_jit, see `lantern_jit.ir.core.errors`."""

from .ir.core.errors import *  # noqa: F403
from .ir.core.errors import LanternError

__all__ = [name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, LanternError)]
