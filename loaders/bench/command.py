"""`polyledger bench`: what is measured, in sections; shown, and kept in the project's history."""

import json
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from loaders.bench import loading
from loaders.bench.loads import BenchError
from loaders.bench.report import Figure, Measurement, machine, remember, run_of, show

SECTIONS: dict[str, list[Measurement]] = {"loading": loading.MEASUREMENTS}
NAMES = [measurement.name for ones in SECTIONS.values() for measurement in ones]

Only = Annotated[
    list[str] | None, typer.Option("--only", help=f"Only this; may be repeated: {', '.join([*SECTIONS, *NAMES])}.")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Tiny sizes, to see that it works: not comparable, and not kept in the history.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def bench(only: Only = None, quick: Quick = False, as_json: AsJson = False) -> None:
    """Measure what the loaders reach against a stand-in endpoint on this machine, beside the goals.

    Exits with 1 where a goal is missed. Other work on the machine spoils the figures.
    """
    unknown = sorted(set(only or ()) - {*SECTIONS, *NAMES})
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join([*SECTIONS, *NAMES])}", param_hint="--only")
    chosen = {
        section: [one for one in ones if not only or section in only or one.name in only]
        for section, ones in SECTIONS.items()
    }
    # Ended from outside, it ends the processes and removes the folders that it made, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found, told = machine(), Console(stderr=True, highlight=False, soft_wrap=True)
    figures: dict[str, list[Figure]] = {}
    for section, ones in chosen.items():
        for one in ones:
            if not as_json:
                told.print(f"measuring {one.name}" + ("" if quick else f", about {one.seconds} s"))
            try:
                figures.setdefault(section, []).extend(one.measure(quick))
            except BenchError as error:
                told.print(f"error: {one.name} cannot be measured: {error}", style="red", markup=False)
                raise typer.Exit(1) from None
    run = run_of(figures, found)
    is_worth_keeping = not quick and any(figure.value is not None for ones in figures.values() for figure in ones)
    path = remember(run, figures) if is_worth_keeping else None
    if as_json:
        typer.echo(json.dumps(run | {"quick": quick}, indent=2))
    else:
        show(figures, quick)
        told.print("tiny sizes: not comparable, and not kept" if quick else f"kept in {path}" if path else "not kept")
    if not quick and any(figure.is_met is False for ones in figures.values() for figure in ones):
        raise typer.Exit(1)
