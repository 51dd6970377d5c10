"""The library's own LLVM code, which stands in the .ll files beside this one, with the constants of a target in it.

A file is LLVM text with names of constants: `@{PAGE}` is replaced by the value given for PAGE. Each name in a file has to be given,
and each one given has to be in the file.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from ....ir.core.faults import KINDS
from ...targets.target import Target
from . import layout
from .layout import CONTEXT, JOB, RECORD, SERVICE, words

_PLACE = re.compile(r"@\{(\w+)\}")
_FUNCTION = re.compile(r"^define [^@]*@([\w.]+)\(.*?^\}$", re.MULTILINE | re.DOTALL)
_HELPER = re.compile(r"@(lantern\.\w+)\(")
_CALLED = re.compile(
    r"^define internal (?P<type>\w+) @(?P<name>[\w.]+)\((?P<parameters>[^)]*)\) (?P<attributes>(?:\w+ )*noinline[\w ]*) \{", re.MULTILINE
)
_SECOND = 1_000_000  # microseconds


def filled(text: str, constants: dict[str, Any]) -> str:
    """`text` with these constants, and without its comments."""
    used = set(_PLACE.findall(text))
    wrong = used ^ constants.keys()
    if wrong:
        raise KeyError(f"constants that are in the text alone or given alone: {', '.join(sorted(wrong))}")
    bare = re.sub(r"^;.*\n", "", text, flags=re.MULTILINE)
    return _PLACE.sub(lambda place: str(constants[place[1]]), bare)


def ticks(target: Target, microseconds: int) -> int:
    """About so much time, as the target counts it."""
    return target.ticks_per_second * microseconds // _SECOND


@functools.cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def functions_of(text: str) -> dict[str, str]:
    """The functions that a text defines, by name."""
    return {m[1]: m[0] for m in _FUNCTION.finditer(text)}


# ---- what is in each module of a program
@functools.cache
def _support(target: Target) -> str:
    """All helper functions, for a region size that is still a name."""
    faults = {name.upper(): KINDS[name].code for name in ("stack", "memory", "size", "interrupt", "host")}
    context = words(CONTEXT, "LIMIT", "ARENA", "CODE", "SITE", "HEAP", "BUSY", "PENDING")
    values = {f"VALUE_{i}": layout.VALUES + 8 * i for i in range(3)}
    line = {"LINE_END": target.cache_line - 1, "LINE_MASK": -target.cache_line}
    constants = {
        **faults, **context, **values, **line, "ARENA_START": layout.arena_start(target), "MARGIN": layout.MARGIN,
        "RESULT_HEADER": layout.RESULT_HEADER, "STACK_POINTER": target.stack_pointer, "FRAME_END": target.frame_end, "CALL_BYTES": target.call_bytes,
        "MASK": "@{MASK}",
    }  # fmt: skip
    return filled(_file("support.ll"), constants)


@functools.cache
def _helpers(target: Target) -> tuple[str, dict[str, str], str]:
    """What stands before the helper functions, these by name, and what stands behind them."""
    text = _support(target)
    rest = _FUNCTION.sub("", text).split("\n")
    return (
        "\n".join(line for line in rest if line.startswith("declare")),
        functions_of(text),
        "\n".join(line for line in rest if line.startswith("!")),
    )


def helpers(target: Target, text: str, mask: int, alone: bool = True) -> str:
    """The helper functions that a module's text uses, and those that they use. `mask` takes an address to the start of its region. Unless
    the module is to be `alone`, those that are called and never inlined are its process's (`shared`)."""
    declared, there, metadata = _helpers(target)
    used: dict[str, str] = {}
    work = [text]
    while work:
        for name in dict.fromkeys(_HELPER.findall(work.pop())):
            if name in there and name not in used:
                called = not alone and _CALLED.match(there[name])
                used[name] = _declaration(called) if called else there[name].replace("@{MASK}", str(mask))
                work.append(used[name])
    return "\n".join([declared, *used.values(), metadata])


def _declaration(head: re.Match[str]) -> str:
    parameters = ", ".join(p.rpartition(" ")[0] for p in head["parameters"].split(", "))
    return f"declare {head['type']} @{head['name']}({parameters}) {head['attributes']}"


def called(target: Target) -> list[str]:
    """The helper functions that are called and never inlined."""
    return [name for name, text in _helpers(target)[1].items() if _CALLED.match(text)]


def shared(target: Target, mask: int) -> str:
    """A module with these, for the programs of a process."""
    text = helpers(target, " ".join(f"@{name}(" for name in called(target)), mask)
    return _CALLED.sub(lambda head: head[0].replace("internal ", ""), text)


# ---- what a process, or an exported library, has once
def regions(target: Target, bits: int = 0, hidden: bool = False) -> str:
    """Regions, blocks and the switch of stacks: all that a program without Python needs. `bits` is log2 of a region's
    size; in an exported library nothing of this is to be seen."""
    memory = target.memory
    constants = {
        **words(CONTEXT, "HEAP", "INDEX", "TOP", "GAVE", "LENT", "NEXT_LENT"),
        "PAGE": memory.page, "TWO_PAGES": 2 * memory.page, "CONTEXT_BYTES": memory.page, "READ_WRITE": memory.read_write,
        "NO_ACCESS": memory.no_access, "MAP_FLAGS": memory.map_flags, "UNNEEDED": memory.unneeded, "HUGE_PAGES": memory.huge_pages,
        "BITS": bits, "KEEP": layout.KEEP, "LENT_SHARE": layout.LENT_SHARE, "SLOTS": layout.SLOTS, "SPARE_SLOTS": layout.SPARE_SLOTS, "SPARE_LIMIT": layout.SPARE_LIMIT,
        "TICKS": target.ticks, "REST": ticks(target, _SECOND),
    }  # fmt: skip
    text = filled(_file("regions.ll"), constants)
    if hidden:
        text = re.sub(r"^define ", "define hidden ", text, flags=re.MULTILINE)
        text = re.sub(r"^(@\w+) = global", r"\1 = hidden global", text, flags=re.MULTILINE)
    return f"{target.clock}\n{text}"


def switch(target: Target) -> str:
    """The assembly that goes to another stack."""
    return filled(target.switch, words(CONTEXT, "FLOAT_MODE", "SAVED_SP", "TOP", "PAUSED_SP")).lstrip()


def hidden_switch(target: Target) -> str:
    """The same as a file of its own, of whose names nothing is to be seen in a shared library. LLVM assembles for its own machine alone."""
    names = ("lantern_enter", "lantern_abort", "lantern_outside", "lantern_pause", "lantern_resume")
    return switch(target) + "".join(f"{target.hidden} {name}\n" for name in names) + target.assembly_end


def process(target: Target) -> str:
    """What a process with Python in it needs: regions, signals, and calls of programs."""
    places = [
        f"@service.{name} = private alias ptr, getelementptr ([{len(SERVICE)} x ptr], ptr @lantern_services, i64 0, i64 {i})\n"
        for name, i in SERVICE.items()
    ]
    assembly = "".join(f'module asm "{line}"\n' for line in switch(target).splitlines())
    return "".join([assembly, regions(target), _threads(target), _signals(target), _calls(target), *places])


def _threads(target: Target) -> str:
    """The pool of threads that run parts of loops."""
    signals = target.signals
    constants = {
        **words(CONTEXT, "ARENA", "LIMIT", "CODE", "SITE", "BUSY", "PENDING", "BY_PYTHON", "BEGAN", "PATIENCE", "TOP", "JOB", "LENT", "NEXT_LENT"),
        **JOB, "MEMORY": KINDS["memory"].code,
        "VALUES": layout.VALUES, "JOB_BYTES": layout.JOB_BYTES, "WORKERS": layout.WORKERS,
        "ARENA_START": layout.arena_start(target), "MARGIN": layout.MARGIN, "INTERRUPT": KINDS["interrupt"].code, "SIGINT": signals.interrupt, "ACTION_BYTES": signals.action_bytes,
        "BLOCK": signals.block, "UNBLOCK": signals.unblock, "MASK": signals.mask, "SET_BYTES": signals.set_bytes,
        "SOME": -1 - sum(1 << n - 1 for n in signals.never if n), "ONE": 1 << signals.interrupt - 1,
    }  # fmt: skip
    return filled(_file("threads.ll"), constants)


def _signals(target: Target) -> str:
    """Signals that interrupt calls."""
    signals = target.signals
    constants = {
        **words(CONTEXT, "CODE", "BUSY", "PENDING", "BY_PYTHON", "BEGAN", "PATIENCE", "JOB"), **words(JOB, "ENDED"),
        "SENT": signals.sent, "TO_THREAD": signals.to_thread,
        "STACK_POINTER": signals.stack_pointer, "PROGRAM_COUNTER": signals.program_counter, "FIRST_ARGUMENT": signals.first_argument,
        "SIGINT": signals.interrupt, "SIGNALS": signals.count, "NEVER": sum(1 << n for n in signals.never), "WITH_INFO": signals.with_info,
        "ACTION_BYTES": signals.action_bytes, "ACTION_FLAGS": signals.action_flags,
        "INTERRUPT": KINDS["interrupt"].code, "SLOTS": layout.SLOTS, "TICKS": target.ticks,
    }  # fmt: skip
    return filled(_file("signals.ll"), constants)


def _calls(target: Target) -> str:
    """The dispatcher, entering and leaving programs, results as objects."""
    constants = {
        **words(CONTEXT, "BY_PYTHON", "BEGAN", "PATIENCE", "CODE", "BUSY", "PENDING"), "PAUSED": layout.PAUSED,
        **words(RECORD, "FAULT", "USUAL", "LONG", "LIMITS"), **words(CONTEXT, "TOP"),
        "SERVICES": len(SERVICE), "HEADER": layout.HEADER, "PLAIN": layout.PLAIN, "TICKS": target.ticks,
        "WATCH_TICKS": ticks(target, 2000), "TRIM_TICKS": ticks(target, 2000),
        "COPY_BELOW": layout.COPY_BELOW, "RESULT_HEADER": layout.RESULT_HEADER, "WRITABLE": layout.NUMPY_WRITABLE, "PERFORMED": layout.VALUES,
    }  # fmt: skip
    return filled(_file("calls.ll"), constants)
