"""The rows of all operations: importing this fills the table, but for those that ir/numpy adds."""

from . import custom, derivative, effects, loops, low, memory, nans, table
from .special import rows

__all__ = ["custom", "derivative", "effects", "loops", "low", "memory", "nans", "rows", "table"]
