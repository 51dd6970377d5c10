"""What a traced program computes with. The operators and the indexing of its values are defined on top of them."""

from . import blanks, items, operators

__all__ = ["blanks", "items", "operators"]
