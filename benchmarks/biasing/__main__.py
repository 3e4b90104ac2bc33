"""What biasing does to transcripts: ``python -m benchmarks.biasing [--parts given,searched]``.

given: the mechanisms and guards, with detections made up from what was said (`given`);
searched: end to end, with what the search finds in glossaries of 1,000, 10,000 and 100,000 terms (`searched`).

The glossaries hold the keyword list, then distractors: spoken words and names, then splices of their recordings. They
are kept in the work folder. The guards' weights are fitted by ``python -m benchmarks.biasing.fit``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.biasing import given, searched
from benchmarks.results import add_output_arguments, deliver, record, say
from harken.errors import HarkenError

PARTS = {"given": given, "searched": searched}
# A smoke test of the benchmark, too small to measure anything.
QUICK = {"keywords": Path("examples/luxury/keywords_demo.csv"), "sizes": "80,110", "spoken": 20, "utterances": 6}


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """What the measurement and the fit share."""
    arguments.add_argument("--config", type=Path, default=Path("configs/serve.yaml"), help="of the service")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument("--keywords", type=Path, default=Path("examples/luxury/keywords.csv"))
    arguments.add_argument("--pronunciations", type=Path, default=Path("examples/luxury/pronunciations.csv"))
    arguments.add_argument("--spoken", type=int, default=10_000, help="distractors that are spoken")
    arguments.add_argument("--listed-store", type=Path, help="a glossary of the keywords, instead of enrolling them")
    arguments.add_argument("--distractors-store", type=Path, help="a glossary of distractors, instead of enrolling any")
    arguments.add_argument("--work", type=Path, default=Path("outputs/benchmarks/biasing"), help="all that is kept")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--parts", default=",".join(PARTS), help="by commas")
    arguments.add_argument("--test", type=Path, default=Path("examples/luxury/test_notes.jsonl"))
    arguments.add_argument("--sentences", type=Path, default=Path("examples/luxury/test.jsonl"))
    arguments.add_argument("--general", type=Path, default=Path("examples/general/test.jsonl"))
    arguments.add_argument("--utterances", type=int, default=100, help="of each kind that says terms")
    arguments.add_argument("--sizes", default="1000,10000,100000", help="of the glossaries, by commas")
    arguments.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    add_arguments(arguments)
    add_output_arguments(arguments)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that are wanted; 1 when a target does not hold (never with --quick), 2 for bad input."""
    options = parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    wanted = options.parts.split(",")
    if unknown := set(wanted) - set(PARTS):
        say(f"error: {HarkenError('--parts', min(unknown), 'There are: ' + ', '.join(PARTS) + '.')}")
        return 2
    try:
        parts = {name: PARTS[name].measure(options) for name in wanted}
    except HarkenError as error:
        say(f"error: {error}")
        return 2
    tables = {name: PARTS[name].tables(found) for name, found in parts.items()}
    targets = {f"{name}: {told}": facts for name, found in parts.items() for told, facts in found["targets"].items()}
    shown = argparse.Namespace(**vars(options) | {"record": False})
    whole = deliver("biasing", parts | {"targets": targets}, [table for own in tables.values() for table in own], shown)
    if options.record:
        # Each part has a place of its own, so that one can be measured without the other.
        for name, found in parts.items():
            record(f"biasing-{name}", whole | {"targets": found["targets"]}, tables[name])
    held = all(facts["holds"] for facts in targets.values())
    return 0 if held or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
