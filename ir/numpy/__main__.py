"""The functions of NumPy and SciPy that compiled code can call, as the table in README.md."""

from . import dispatch  # noqa: F401  # fills the registry
from .registry import table

if __name__ == "__main__":
    print(table())
