"""Models x training sets on the same tests, in the shape of the first paper's Tables 3 and 4 and Figure 6a.

``python -m jobs.grid --config configs/grid-demo.yaml [--set KEY=VALUE ...]``

Every variant is the pipeline configuration under overrides, and whatever two variants have in common is made once.
Killing the run loses nothing that is finished. A variant that fails is reported and the others go on. Writes
``grid.json``, ``grid.csv`` and a self-contained ``grid.html`` into the output folder.
"""

import json
import re
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from harken.config import dump_yaml
from harken.digests import file_digest
from harken.errors import HarkenError
from harken.grid_settings import GridSettings
from harken.records import fingerprint, write_json, write_text
from harken.report.grid_console import print_grid
from harken.stages import Stage
from jobs.cells import Cell, Cells, check, make
from jobs.cli import find_harken_error, run_job
from jobs.progress import console, note

RESULTS = ("grid.json", "grid.csv", "grid.html")

# Raised by one when the code changes what a result holds.
REVISION = 2


def main(settings: GridSettings) -> None:
    """Bring every cell to completion, measure those that came to it, and print the tables.

    Raises:
        HarkenError: bad input that is found before anything runs, or, at the end, the cells that failed.
    """
    cells = Cells(settings)
    result = result_stage(cells)
    failures: dict[str, str] = {}
    if result.complete():
        note(f"{result.name}: skipped, all {len(cells.cells)} cells are there")
        for name in RESULTS:
            write_text(settings.output / name, (result.directory / name).read_text(encoding="utf-8"))
    else:
        check(cells)
        failures = make_all(cells)
        _measure(cells, failures, result)
    print_grid(json.loads((settings.output / "grid.json").read_text(encoding="utf-8")), console)
    for name in RESULTS:
        note(f"{name}: {settings.output / name}")
    if failures:
        remedy = "Why is said above. The others are finished: the same command again makes only what is missing."
        raise HarkenError("grid cells that failed", "; ".join(failures), remedy)


def result_stage(cells: Cells) -> Stage:
    """The folder of the results; its fingerprint covers all that they depend on."""
    heard = {
        cell.name: [cell.hypotheses(speech).fingerprint for speech in cells.tests.values()] for cell in cells.cells
    }
    sweeps = [[point.sweep, point.key, point.variant, point.value, point.cell.name] for point in cells.points]
    keywords = cells.base.keywords
    content = [
        [heard, sweeps, cells.grid.comparisons, list(cells.tests)],
        [file_digest(keywords.path), sorted(keywords.categories)],
        cells.base.evaluate.model_dump(mode="json"),
    ]
    return Stage.under(cells.grid.output, "grid", fingerprint("grid", REVISION, *content), 0)


def make_all(cells: Cells) -> dict[str, str]:
    """Bring every cell to completion in order; returns why, by name, for those that could not be.

    Raises:
        HarkenError: a test set could not be spoken, so that nothing can be measured.
    """
    from jobs.speech import speak

    for speech in cells.tests.values():
        speak(cells.base, speech)
    failures: dict[str, str] = {}
    for number, cell in enumerate(cells.cells, start=1):
        note(f"== {cell.name} ({number} of {len(cells.cells)})")
        try:
            make(cell, cells.tests)
        except Exception as failure:  # one cell must not cost the others theirs
            failures[cell.name] = _told(failure, cells.grid.output, cell)
            note(f"{cell.name}: failed: {failures[cell.name]}")
    return failures


def _told(failure: Exception, output: Path, cell: Cell) -> str:
    error = find_harken_error(failure)
    if error is not None:
        return str(error)
    path = output / "failures" / f"{re.sub(r'[^0-9A-Za-z]+', '-', cell.name)}.txt"
    write_text(path, "".join(traceback.format_exception(failure)))
    return f"{type(failure).__name__} (see {path})"


def _measure(cells: Cells, failures: Mapping[str, str], result: Stage) -> None:
    from harken.report.grid import leader, render_grid
    from jobs.figures import table, write_csv
    from jobs.flow import exclusive
    from jobs.measuring import measure, score_cells, worst

    started = time.monotonic()
    with exclusive(result):
        result.begin(dump_yaml(cells.grid))
        scored = score_cells(cells, failures)
        found = measure(cells, failures, scored)
        heard = worst(cells, scored, leader(found))
        complete = not failures
        # Of a grid with failures the results are shown, but not kept as finished.
        folder = result.directory if complete else cells.grid.output
        write_json(folder / "grid.json", found)
        write_csv(folder / "grid.csv", table(found))
        write_text(folder / "grid.html", render_grid(found, heard, cells.base.decoding.language))
        if complete:
            result.finish(time.monotonic() - started)
            for name in RESULTS:
                write_text(cells.grid.output / name, (folder / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(run_job(main, GridSettings, __doc__ or ""))
