"""A function's trace as a whole. Rewritten code finds its names in language.py."""

from . import language

__all__ = ["language"]
