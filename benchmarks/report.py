"""The results as text: tables of run times, of compile times, of calls and of fresh processes, notes below."""

from collections.abc import Sequence

from benchmarks.arrays import ArrayRow
from benchmarks.calls import LANTERN, C, CallRow
from benchmarks.compile_time import CompileRow
from benchmarks.functions import ASKED, FunctionRow
from benchmarks.harness import Pair, Row
from benchmarks.starts import StartRow

MARK = {True: "pass", False: "FAIL", None: "-"}


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it: ns, us, ms or s."""
    if seconds is None:
        return "-"
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def ratio(value: float | None) -> str:
    """A ratio with as many decimals as mean something: two, or three below a tenth, or none."""
    if value is None:
        return "-"
    if value < 0.1:
        return f"{value:.3f}x"
    return f"{value:.2f}x" if value < 100.0 else f"{value:,.0f}x"


def pair_cells(pair: Pair | None) -> list[str]:
    """C, lantern, ratio, asked ratio, mark."""
    if pair is None:
        return ["-", "-", "-", "-", "FAIL"]
    return [duration(pair.c), duration(pair.lantern), ratio(pair.ratio), ratio(pair.asked), MARK[pair.passed]]


def peer_cell(row: Row, label: str) -> str:
    """A peer's ratio to C, with a star where it ran at the small size."""
    return ratio(row.peers.get(label)) + ("*" if label in row.small_peers else "")


def run_table(rows: Sequence[Row], peer_names: Sequence[str]) -> str:
    """The run times: gradient and primal against C, then each peer's time over C's."""
    labels = [f"{name} {kind}" for kind in ("gradient", "primal") for name in peer_names]
    half = ["C", "lantern", "ratio", "asked", "mark"]
    head = ["program", "size", *half, *(f"primal {h}" for h in half), *labels]
    body = [
        [
            row.name,
            row.size,
            *pair_cells(row.gradient),
            *pair_cells(row.primal),
            *(peer_cell(row, label) for label in labels),
        ]
        for row in rows
    ]
    return table(head, body)


def compile_table(rows: Sequence[CompileRow]) -> str:
    """The times to trace and compile a gradient."""
    head = ["compile the gradient of", "lantern", "asked", "mark", "JAX"]
    body = [
        [
            row.name,
            duration(row.lantern),
            duration(row.asked),
            "FAIL" if row.note else MARK[row.passed],
            duration(row.jax),
        ]
        for row in rows
    ]
    return table(head, body)


def call_table(rows: Sequence[CallRow], peer_names: Sequence[str]) -> str:
    """Nanoseconds of one call from Python, and lantern's time over each other's."""
    others = [name for name in (C, *peer_names) if any(name in row.seconds for row in rows)]
    head = ["one call of", *others, LANTERN, "asked", "mark", *(f"{LANTERN}/{name}" for name in others)]
    body = [
        [
            row.name,
            *(nanoseconds(row.seconds.get(name)) for name in (*others, LANTERN)),
            asked_cell(row),
            MARK[row.passed] if row.seconds else "FAIL",
            *(ratio(row.ratios.get(name)) for name in others),
        ]
        for row in rows
    ]
    return table(head, body)


def nanoseconds(seconds: float | None) -> str:
    """A time in whole nanoseconds."""
    return "-" if seconds is None else f"{seconds * 1e9:,.0f} ns"


def asked_cell(row: CallRow) -> str:
    """The asked time and the peers that are not to be faster."""
    return "-" if row.asked is None else ", ".join([nanoseconds(row.asked), *(f"<= {name}" for name in row.beside)])


def start_table(rows: Sequence[StartRow]) -> str:
    """The times in fresh processes."""
    body = [[row.name, duration(row.lantern), duration(row.asked), MARK[row.passed]] for row in rows]
    return table(["in a fresh process", LANTERN, "asked", "mark"], body)


def function_table(rows: Sequence[FunctionRow]) -> str:
    """Nanoseconds an element, beside NumPy."""
    body = [
        [
            f"{row.name}, {row.dtype}",
            f"{row.lantern:.2f} ns",
            f"{row.numpy:.2f} ns",
            ratio(row.ratio),
            MARK[row.agrees and row.ratio <= ASKED],
        ]
        for row in rows
    ]
    return table(["an element", LANTERN, "NumPy", "ratio", f"at most {ASKED:g}x"], body)


ARRAY_COLUMNS = ("lantern", "own primal", "C primal", "C gradient", "JAX", "PyTorch")


def array_table(rows: Sequence[ArrayRow], columns: Sequence[str] = ARRAY_COLUMNS) -> str:
    """Times of the gradient, the program, C and peers; then each ratio that was asked."""
    head = ["program", *columns, "asked"]
    body = []
    for row in rows:
        asked = "; ".join(
            f"{what}/{beside} {ratio(found)} (asked {asked:g}) {MARK[None if found is None else found <= asked]}"
            for what, beside, asked, found in row.asked
        )
        body.append([row.name, *(duration(row.seconds.get(c)) for c in columns), asked if row.agrees else "FAIL"])
    return table(head, body)


_ARRAY_COLUMNS = ("lantern", "own primal", "by arrays", "C primal", "C gradient", "JAX", "PyTorch")


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Aligned columns, the first to the left and the others to the right."""
    rows = [list(head), *map(list, body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))]
        return "  ".join(padded).rstrip()

    return "\n".join([line(rows[0]), line(["-" * w for w in widths]), *(line(row) for row in rows[1:])])


def notes(
    rows: Sequence[Row],
    compile_rows: Sequence[CompileRow],
    call_rows: Sequence[CallRow],
    start_rows: Sequence[StartRow],
    array_rows: Sequence[ArrayRow] = (),
) -> list[str]:
    """What the tables cannot show."""
    lines = [f"{row.name}: {note}" for row in rows for note in row.notes]
    lines += [f"{row.name}: {note}" for row in array_rows for note in row.notes]
    lines += [f"{row.name}: {row.note}" for row in compile_rows if row.note]
    lines += [f"{row.name}: {note}" for row in call_rows for note in row.notes]
    lines += [f"{row.name}: {row.note}" for row in start_rows if row.note]
    if any(row.small_peers for row in rows):
        lines.append("* at the small size, where this peer is slow; its ratio is to C at that size")
    return lines
