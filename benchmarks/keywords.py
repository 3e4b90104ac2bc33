"""How well keywords are spotted and what a keyword costs, for every compression: ``python -m benchmarks.keywords``.

The spotters of a folder (``baseline``, ``L``, ``LH``, ``LHF``, as `jobs.keywords` leaves them) on the test sets of a
configuration: the same utterances, terms and recordings for all of them. Words of the test sets are in no training or
validation set, nor, in configs/keywords.yaml, are the voices of their utterances. Sets are prepared once in the run's
output folder and kept.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import add_output_arguments, deliver, target
from compression.encoder import read_encoder_shape
from harken.config import load_config
from harken.errors import HarkenError
from harken.report.spotting_console import spotting_tables
from harken.spotter_settings import Variant
from harken.spotting_settings import SpottingSettings
from jobs.keyword_data import read_set
from jobs.keyword_evaluation import TrainedSpotter, evaluate
from jobs.keyword_preparation import prepare, prepare_inventory
from jobs.keywords import SPOTTERS, keyword_sets

VARIANTS: tuple[Variant, ...] = ("baseline", "L", "LH", "LHF")
BASELINE, COMPRESSED = "baseline", "LHF"


def figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured beside the targets: a hundred times fewer bytes as stored, at the same F1.

    By the paper's count, dimensions alone, they are 128 times fewer on large-v2; an encoder of fewer layers or of
    narrower frames has less to give.
    """
    variants = found["variants"]
    targets = {}
    for name in found["sets"]:
        least = variants[BASELINE]["sets"][name]["rates"]["f1"]["low"]
        reached = variants[COMPRESSED]["sets"][name]["rates"]["f1"]["value"]
        targets[f"{name}: F1 of {COMPRESSED}, at least the baseline's lower bound"] = target(reached, ">=", least)
    ratios = {
        kind: variants[BASELINE][key] / variants[COMPRESSED][key]
        for kind, key in (("as stored", "bytes_per_keyword"), ("by the paper's count", "padded_bytes_per_keyword"))
    }
    targets[f"bytes of the baseline over {COMPRESSED}'s, as stored"] = target(ratios["as stored"], ">=", 100)
    kept = ("layers", "bytes_per_keyword", "padded_bytes_per_keyword", "pairs_per_second")
    return {
        "sets": found["sets"],
        "variants": {
            name: {key: variant[key] for key in kept}
            | {"sets": {test: judged["rates"] for test, judged in variant["sets"].items()}}
            for name, variant in variants.items()
        },
        "fewer_bytes": ratios,
        "targets": targets,
    }


def measure(run: SpottingSettings, folder: Path) -> dict[str, Any]:
    """Prepare the test sets and judge the folder's spotters on them.

    Raises:
        HarkenError: a variant that the folder lacks.
    """
    spotters = {variant: TrainedSpotter(folder / variant) for variant in VARIANTS}
    for trained in spotters.values():
        if not trained.folder.is_dir():
            raise HarkenError("spotter", str(trained.folder), "It is not there: train all variants with jobs.keywords.")
    training, validation, tests = keyword_sets(run, read_encoder_shape(run.model))
    # What the tests must not hold.
    prepare_inventory(training)
    prepare_inventory(validation)
    for part in tests.values():
        prepare(part)
    return figures(evaluate(run, spotters, {name: read_set(part) for name, part in tests.items()}))


def main() -> None:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--config", type=Path, default=Path("configs/keywords.yaml"))
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument("--spotters", type=Path, help="folder of the variants; default: those of the run's output")
    add_output_arguments(arguments)
    options = arguments.parse_args()
    run = load_config(options.config, options.overrides, SpottingSettings)
    measured = measure(run, options.spotters or run.run.output / SPOTTERS)
    deliver("keywords", measured, spotting_tables(measured["sets"], measured["variants"]), options)


if __name__ == "__main__":
    sys.exit(main())
