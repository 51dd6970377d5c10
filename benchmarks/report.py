"""The results as text: one table of run times, one of compile times, notes below."""

from collections.abc import Sequence

from benchmarks.compile_time import CompileRow
from benchmarks.harness import Pair, Row

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
    """A ratio to C with two decimals where they mean something."""
    if value is None:
        return "-"
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


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Aligned columns, the first to the left and the others to the right."""
    rows = [list(head), *map(list, body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))]
        return "  ".join(padded).rstrip()

    return "\n".join([line(rows[0]), line(["-" * w for w in widths]), *(line(row) for row in rows[1:])])


def notes(rows: Sequence[Row], compile_rows: Sequence[CompileRow]) -> list[str]:
    """What the tables cannot show."""
    lines = [f"{row.name}: {note}" for row in rows for note in row.notes]
    lines += [f"{row.name}: {row.note}" for row in compile_rows if row.note]
    if any(row.small_peers for row in rows):
        lines.append("* at the small size, where this peer is slow; its ratio is to C at that size")
    return lines
