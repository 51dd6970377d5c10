"""The command `lantern-jit`: a demonstration, a look into a compiled function, and facts for a bug report.

Exit status: 0 for success, 1 for an error of lantern_jit, 2 for input that cannot be used. What a command needs is
imported when it runs, so that `lantern-jit --help` answers at once.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..ir.core.errors import LanternError
from ..ir.core.sites import is_library
from ..jitted import jit
from ..leaves import misfit
from ..pipeline import AFTER, PASSES, known
from ..transforms import grad

STAGES = ("graph", "cps", "lowered", "llvm", "llvm_optimized", "asm")


class UsageError(Exception):
    """Input that cannot be used; the message is one line."""


class ProgramError(Exception):
    """The user's function is at fault; the message is one line."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return the exit status."""
    try:
        options = parse([shielded(word) for word in (sys.argv[1:] if argv is None else argv)])
        options.command(options)
    except UsageError as error:
        return complain(str(error), 2)
    except (LanternError, ProgramError) as error:
        return complain(str(error), 1)
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except BrokenPipeError:  # the reader, a pager say, had seen enough; Python must not flush into the pipe again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def complain(message: str, status: int) -> int:
    """Print the message where errors go, and return the exit status."""
    print(f"lantern-jit: {message}", file=sys.stderr)
    return status


def shielded(word: str) -> str:
    """A negative number with a blank before it: argparse takes `-1e-3` or `-inf` for an option otherwise."""
    try:
        float(word)
    except ValueError:
        return word
    return f" {word}" if word.startswith("-") else word


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line."""
    parser = Parser(prog="lantern-jit", description="Native-speed gradients of ordinary scalar Python.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="fit a predator-prey model to pelt counts, and time its gradients")
    demo.add_argument("--output", metavar="PNG", default="lotka_volterra.png", help="where the picture goes")
    demo.set_defaults(command=run_demo, arguments=None)

    look = commands.add_parser("inspect", help="print the stages of compilation of a function")
    look.add_argument("target", metavar="FILE:FUNCTION", help="a Python file and a function in it")
    look.add_argument("arguments", metavar="ARG", nargs="*", help="int, float, or list (a float64 array)")
    look.add_argument("--grad", action="store_true", help="differentiate by the first argument")
    stages = f"default: %(default)s; also {AFTER}NAME, the graph after a pass: {', '.join(PASSES)}"
    look.add_argument("--stage", metavar="NAME,...", default=",".join(STAGES), help=stages)
    look.add_argument("--save", metavar="PAGE.html", help="write all stages side by side into a page instead")
    look.set_defaults(command=run_inspect)

    why = commands.add_parser("explain", help="say where time and memory of a function go, and what to change")
    why.add_argument("target", metavar="FILE:FUNCTION", help="a Python file and a function in it")
    why.add_argument("arguments", metavar="ARG", nargs="*", help="int, float, or list (a float64 array)")
    why.add_argument("--grad", action="store_true", help="differentiate by the first argument")
    why.set_defaults(command=run_explain)

    cache = commands.add_parser("cache", help="show the folder of compiled code, or clear it")
    cache.add_argument("action", choices=("show", "clear"), nargs="?", default="show", help="default: %(default)s")
    cache.set_defaults(command=run_cache, arguments=None)

    info = commands.add_parser("info", help="print versions and the machine")
    info.set_defaults(command=run_info, arguments=None)

    options, rest = parser.parse_known_args(words)
    # Argparse stops reading ARGs at the first option, in all Pythons before 3.13: those after it are what is left.
    if rest and (options.arguments is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.arguments = [*(options.arguments or []), *rest]
    return options


def run_demo(options: argparse.Namespace) -> None:
    """`lantern-jit demo`."""
    from . import demo

    output = Path(options.output)
    if output.is_dir() or not output.parent.is_dir():  # said before the work, not after it
        raise UsageError(f"--output {options.output}: not a file in a folder that exists")
    try:
        demo.run(options.output)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write {options.output}: {error.strerror}") from error


def run_info(options: argparse.Namespace) -> None:
    """`lantern-jit info`."""
    from . import info

    print(info.report())


def run_cache(options: argparse.Namespace) -> None:
    """Where compiled code is kept, how much of it there is, and how much there may be."""
    from ..backends.llvm.build import cache

    where = cache.folder()
    if where is None:
        print("compiled code is not kept: LANTERN_CACHE_DIR is empty")
    elif options.action == "clear":
        print(f"removed {cache.clear()} files from {where}")
    else:
        sizes = [stat.st_size for _, stat in cache.files()]
        print(f"folder  {where}\nfiles   {len(sizes)}\nsize    {sum(sizes) / 2**20:.1f} MiB of at most {cache.limit() / 2**20:.0f}")


def run_inspect(options: argparse.Namespace) -> None:
    """`lantern-jit inspect`."""
    try:
        stages = [known(stage, "--stage", STAGES) for stage in options.stage.split(",")]
    except ValueError as error:
        raise UsageError(str(error)) from None

    def texts(function: Any, arguments: Sequence[Any]) -> list[str]:
        compiled = function.inspect(*arguments)
        if options.save:
            return [str(compiled.save(options.save))]
        return [compiled.after(s.removeprefix(AFTER)) if s.startswith(AFTER) else getattr(compiled, s) for s in stages]

    found = looked_at(options, texts)
    if options.save:
        print(f"{found[0]} is the page")
        return
    for stage, text in zip(stages, found, strict=True):
        title = f"== {stage} ==\n" if len(stages) > 1 else ""  # a single stage alone: fit to be piped on
        print(title + text.rstrip())


def run_explain(options: argparse.Namespace) -> None:
    """`lantern-jit explain`."""
    print(looked_at(options, lambda function, arguments: function.explain(*arguments)))


def looked_at(options: argparse.Namespace, look: Callable[[Any, Sequence[Any]], Any]) -> Any:
    """What `look` gives of the function that is asked for, compiled, and its arguments."""
    function = load(options.target)
    arguments = [literal(word) for word in options.arguments]
    wrong = misfit(function, arguments)
    if wrong is not None:
        raise UsageError(f"{options.target}{wrong[0]} and {len(arguments)} arguments: {wrong[1]}") from wrong[1]
    try:
        return look(jit(grad(function) if options.grad else function), arguments)
    except LanternError:
        raise
    except (Exception, SystemExit) as error:  # of the function itself, which runs while it is traced
        raise ProgramError(f"{options.target} cannot be compiled for these arguments: {described(error)}") from error


def load(target: str) -> Callable[..., Any]:
    """The function that FILE:FUNCTION names. The file runs as a module of its own, not as `__main__`."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not file or not name:
        raise UsageError(f"{target!r} is not of the form FILE:FUNCTION")
    if not path.is_file():
        raise UsageError(f"there is no file {file!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.resolve().parent))  # its imports find its neighbours, as `python FILE` would
    try:
        spec.loader.exec_module(module)
    except LanternError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{file!r} cannot be loaded: {type(error).__name__}: {one_line(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"{file!r} has no function {name!r}")
    return function  # type: ignore[no-any-return]  # callable() says nothing of the result


def literal(word: str) -> Any:
    """An argument of the function: a Python literal whose lists, nested ones too, become float64 arrays."""
    try:
        return converted(ast.literal_eval(word.strip()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        return float(word)  # inf and nan, which are no literals
    except ValueError:
        raise UsageError(f"the argument {word!r} is not an int, a float or a list of numbers") from None


def converted(value: object) -> object:
    """The value with arrays for lists; a ValueError for what compiled functions do not take."""
    import numpy as np

    if isinstance(value, list):
        return np.array(value, dtype=np.float64)
    if isinstance(value, tuple):
        return tuple(converted(part) for part in value)
    if isinstance(value, bool | int | float):
        return value
    raise ValueError(value)


def described(error: BaseException) -> str:
    """An error of the user's code, with the innermost line of it unless the message says that."""
    text = f"{type(error).__name__}: {one_line(error)}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_library(f.filename) and f.filename != __file__]
    if not frames or f"{frames[-1].filename}:{frames[-1].lineno}" in text:
        return text
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name})"


def one_line(error: BaseException) -> str:
    """The message of an error of someone else's, without its line breaks."""
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
