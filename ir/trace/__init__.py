"""A function's trace as a whole. Rewritten code finds its names in language.py; values have their operators and their indexing."""

from ..values import items, operators
from . import language

__all__ = ["items", "language", "operators"]
