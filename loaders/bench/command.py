"""`polyledger bench`: what is measured, in sections; shown, and kept in the project's history."""

import contextlib
import json
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from loaders.bench import loading, models
from loaders.bench.history import SEED_FILLS
from loaders.bench.loads import BenchError
from loaders.bench.report import Asked, Figure, Measurement, before, machine, remember, run_of, show
from loaders.warehouse import WarehouseError


@dataclass(frozen=True)
class Section:
    """Measurements that have something in common, which is there while they are made."""

    measurements: list[Measurement]
    opened: Callable[[Asked], AbstractContextManager[Any]]


SECTIONS = {
    "loading": Section(loading.MEASUREMENTS, lambda asked: contextlib.nullcontext(asked.quick)),
    "models": Section(models.MEASUREMENTS, models.desk),
}
NAMES = [*SECTIONS, *(one.name for section in SECTIONS.values() for one in section.measurements)]

Only = Annotated[list[str] | None, typer.Option("--only", help=f"Only this; may be repeated: {', '.join(NAMES)}.")]
Rows = Annotated[
    int | None, typer.Option("--rows", min=1_000, help=f"Fills in the history of the models; default {SEED_FILLS:,}.")
]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep",
        file_okay=False,
        help="Make the history of the models in this folder and leave it there; what is there is used. "
        "Figures are kept there too, and not in the project's history.",
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", help="Build only these models, as dbt's --select; the others as they are in --keep."),
]
VsDuckdb = Annotated[bool, typer.Option("--vs-duckdb", help="Also ask DuckDB the same questions of the same rows.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Tiny sizes, to see that it works: not comparable, and not kept in the history.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def bench(
    only: Only = None,
    rows: Rows = None,
    keep: Keep = None,
    select: Select = None,
    vs_duckdb: VsDuckdb = False,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Measure what the loaders reach against a stand-in endpoint, and the models on a made history, on this machine.

    Shown beside the goals; exits with 1 where one is missed. Other work on the machine spoils the figures.
    """
    unknown = sorted(set(only or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(NAMES)}", param_hint="--only")
    # Ended from outside, it ends the processes and removes the folders that it made, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found, told = machine(), Console(stderr=True, highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        if not as_json:
            told.print(text, markup=False)

    asked = Asked(quick, rows, keep.absolute() if keep else None, tuple(select or ()), say)
    figures: dict[str, list[Figure]] = {}
    is_broken = False
    for name, section in SECTIONS.items():
        chosen = [
            one
            for one in section.measurements
            if one.name in (only or ())
            or (one.name == "duckdb" and vs_duckdb)
            or (one.by_default and (not only or name in only))
        ]
        if not chosen:
            continue
        with section.opened(asked) as desk:
            for one in chosen:
                say(f"measuring {one.name}" + ("" if quick or rows else f", about {one.seconds} s"))
                try:
                    figures.setdefault(name, []).extend(one.measure(desk))
                except (BenchError, WarehouseError) as error:
                    # What was measured so far is shown all the same.
                    is_broken = True
                    told.print(f"error: {one.name} cannot be measured: {error}", style="red", markup=False)
                    break
    run = run_of(figures, found, quick, rows or SEED_FILLS)
    earlier = before(run, asked.keep)
    is_worth_keeping = not (quick or select) and any(one.value is not None for ones in figures.values() for one in ones)
    path = remember(run, asked.keep) if is_worth_keeping else None
    if as_json:
        typer.echo(json.dumps(run | {"before": earlier}, indent=2))
    else:
        show(figures, earlier, quick)
        told.print("tiny sizes: not comparable, and not kept" if quick else f"kept in {path}" if path else "not kept")
    if is_broken or (not quick and any(figure.is_met is False for ones in figures.values() for figure in ones)):
        raise typer.Exit(1)
