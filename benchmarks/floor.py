"""The C floor: builds floor.c and its companions with gcc in a temporary folder and calls what comes out."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.cases import Arguments
from benchmarks.programs import Floats

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
SOURCES = ("floor.c", "floor_arrays.c", "floor_calls.c", "floor_whole.c")


class FloorMissingError(Exception):
    """The C floor cannot be built on this machine; the text says why."""


class Inputs(ctypes.Structure):
    """`Inputs` of floor.h."""

    _fields_ = (
        ("p", ctypes.c_double * 8),
        ("x", ctypes.c_void_p),
        ("y", ctypes.c_void_p),
        ("left", ctypes.c_void_p),
        ("right", ctypes.c_void_p),
        ("n", ctypes.c_int64),
    )


def inputs_of(arguments: Arguments) -> Inputs:
    """The arguments of a Python program as C takes them: floats to p, arrays in order, n the int or the length.

    The structure points into the arrays, which must outlive it; it holds them for that.
    """
    floats = [a for a in arguments if isinstance(a, float)]
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    values = [a for a in arrays if a.dtype == np.float64]
    indices = [a for a in arrays if a.dtype == np.int64]
    inputs = Inputs()
    inputs.kept = arrays
    for i, value in enumerate(floats):
        inputs.p[i] = value
    for field, array in [*zip(("x", "y"), values, strict=False), *zip(("left", "right"), indices, strict=False)]:
        setattr(inputs, field, array.ctypes.data)
    inputs.n = len(values[0]) if values else next(a for a in arguments if isinstance(a, int))
    return inputs


class Floor:
    """The C programs, by symbol. Times are in seconds a call, measured in C, with no call from Python in them."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        library.seconds_of_primal.restype = ctypes.c_double
        library.seconds_of_gradient.restype = ctypes.c_double

    def primal(self, symbol: str, inputs: Inputs) -> float:
        """The result of the program."""
        function = self.library[symbol]
        function.restype = ctypes.c_double
        result: float = function(ctypes.byref(inputs))
        return result

    def gradient(self, symbol: str, inputs: Inputs, size: int) -> Floats:
        """The gradient, `size` numbers: every differentiated argument, flat, one after the other."""
        out = np.empty(size)
        self.library[f"{symbol}_gradient"](ctypes.byref(inputs), ctypes.c_void_p(out.ctypes.data))
        return out

    def primal_seconds(self, symbol: str, inputs: Inputs, calls: int) -> float:
        """Seconds taken by so many calls of the program."""
        seconds: float = self.library.seconds_of_primal(self.library[symbol], ctypes.byref(inputs), ctypes.c_int64(calls))
        return seconds

    def gradient_seconds(self, symbol: str, inputs: Inputs, size: int, calls: int) -> float:
        """Seconds taken by so many calls of the gradient, each allocating its `size` numbers."""
        seconds: float = self.library.seconds_of_gradient(
            self.library[f"{symbol}_gradient"], ctypes.byref(inputs), ctypes.c_int64(size), ctypes.c_int64(calls)
        )
        return seconds


@cache
def load() -> Floor:
    """Build and load the C floor, once a process.

    Raises:
        FloorMissingError: gcc is not installed, or does not accept the sources.
    """
    if shutil.which("gcc") is None:
        raise FloorMissingError("gcc is not installed, so there is no C to compare with")
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "floor.so"
        command = ["gcc", *FLAGS, *(str(here / source) for source in SOURCES), "-o", str(library), "-lm"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise FloorMissingError(f"gcc could not build the C floor: {built.stderr.strip()}")
        return Floor(ctypes.CDLL(str(library)))


def compiler_version() -> str:
    """The first line of `gcc --version`, or why there is none."""
    if shutil.which("gcc") is None:
        return "not installed"
    return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
