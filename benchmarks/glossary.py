"""How a search of a glossary scales to a million terms: ``python -m benchmarks.glossary --terms 1000,100000 --json``.

Nested glossaries: real terms first (nouns and names of jieba's dictionary, Latin words), enrolled by `jobs.glossary`
with espeak-ng; beyond --spoken of them, pseudo-words spliced from the real ones' recordings (`glossary_splices`).
Utterances say known terms in unheard voices, rates and noise, and in a synthesizer that nothing was trained on
(examples/spotting); others say no term, or nothing. Three searches of the same utterances: the cascade; exhaustive,
the second stage on every term, on as many utterances as --exhaustive-seconds allow; and the second paper's ResNet-50
on every pair, of which a few pairs are measured on random frames and scaled.

Enrolment, stores, utterances and the figures of each size are kept in the work folder: the same command goes on where
it was cut; --fresh starts over. cost.html there shows cost against size.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from benchmarks.glossary_judging import RECALL
from benchmarks.glossary_measures import Bench
from benchmarks.glossary_page import render_costs
from benchmarks.glossary_speech import SAYING, heard_utterances, unseen_names
from benchmarks.glossary_stores import Stores
from benchmarks.glossary_vocabulary import draw_vocabulary
from benchmarks.results import add_output_arguments, deliver, say, target
from harken.config import load_config
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import write_text

# Of a list, so that as many entries remain when homophones are one.
_SPARE = 1.15
PAGE = "cost.html"
SMALL, MIDDLE, LARGE = 1_000, 100_000, 1_000_000
_LATENCY = {MIDDLE: 250, LARGE: 600}
_GROWTH, _FASTER, _RECALL, _BYTES, _OPENING, _CHANGE = 3, 5000, 0.99, 1500, 1, 10
# A smoke test of the benchmark, too small to measure anything.
QUICK = {"terms": "200", "said": 12, "unseen": 6, "nothing": 1, "changed": 20, "exhaustive_seconds": 1.0}


def figures(sizes: Mapping[str, Any], paper: Mapping[str, Any], enrolment: Mapping[str, Any]) -> dict[str, Any]:
    """The targets beside what was measured."""
    targets: dict[str, Any] = {}
    for name, found in sizes.items():
        size, told = int(name), f"{int(name):,} terms"
        p50 = found["latency"]["total"]["p50"]
        if size in _LATENCY:
            targets[f"{told}: p50 in ms per 10 s"] = target(1000 * p50, "<=", _LATENCY[size])
        if size == MIDDLE:
            targets[f"{told}: times faster than the paper's"] = target(paper_seconds(paper, size) / p50, ">=", _FASTER)
        if found["bits"] == 4:
            targets[f"{told}: bytes a term"] = target(found["bytes_per_term"], "<=", _BYTES)
        if size == LARGE:
            targets[f"{told}: seconds to open"] = target(found["opening_seconds"], "<=", _OPENING)
        change = found["change"]
        for kind in ("add", "remove"):
            seconds = change[f"{kind}_seconds"]
            targets[f"{told}: seconds to {kind} {change['terms']:,}"] = target(seconds, "<=", _CHANGE)
        for kind in SAYING:
            share = _share_of_exhaustive(found["exhaustive"], kind)
            if share is not None:
                targets[f"{told}, {kind}: end recall over exhaustive's"] = target(share, ">=", _RECALL)
    if {str(SMALL), str(MIDDLE)} <= set(sizes):
        for kind in SAYING:
            targets |= _growth(kind, sizes[str(SMALL)]["kinds"][kind], sizes[str(MIDDLE)]["kinds"][kind])
    return {"sizes": dict(sizes), "paper": dict(paper), "enrolment": dict(enrolment), "targets": targets}


def paper_seconds(paper: Mapping[str, Any], size: int) -> float:
    """What the paper's classifier would take for an utterance: a pair for every term."""
    return float(paper["seconds_per_pair"]) * size


def _share_of_exhaustive(found: Mapping[str, Any], kind: str) -> float | None:
    if kind not in found["kinds"]:
        return None
    whole, share = (found[key][kind]["recall"]["end"]["value"] for key in ("kinds", "cascade"))
    return share / whole if whole else None


def _growth(kind: str, small: Mapping[str, Any], middle: Mapping[str, Any]) -> dict[str, Any]:
    """How false alarms grow, at the greatest recall that both sizes reach; one more is counted on both sides, since few
    minutes may have none."""
    rates = {
        float(recall): [found["false_per_minute_by_recall"][recall] for found in (small, middle)]
        for recall in small["false_per_minute_by_recall"]
    }
    reached = {recall: both for recall, both in rates.items() if None not in both}
    targets: dict[str, Any] = {}
    greatest = max(reached, default=0.0)
    if greatest < RECALL:
        targets[f"{kind}: recall that false alarms are compared at"] = target(greatest, ">=", RECALL)
    if reached:
        counted = [rate + 1 / found["minutes"] for rate, found in zip(reached[greatest], (small, middle), strict=True)]
        name = f"{kind}: false alarms a minute at {greatest:.0%} recall, {MIDDLE:,} over {SMALL:,} terms"
        targets[name] = target(counted[1] / counted[0], "<=", _GROWTH)
    return targets


def costs(sizes: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Seconds per 10 s of audio by size, of each way to search."""
    found = [(int(size), facts) for size, facts in sizes.items()]
    exhaustive = [(size, facts["exhaustive"]["seconds_per_10_s"]) for size, facts in found]
    lines = {
        "cascade": [(size, facts["latency"]["total"]["p50"]) for size, facts in found],
        "exhaustive": [(size, seconds) for size, seconds in exhaustive if seconds],
        "the paper's ResNet-50 (scaled)": [(size, paper_seconds(paper, size)) for size, _ in found],
    }
    return {name: points for name, points in lines.items() if points}


def tables(measured: Mapping[str, Any]) -> list[Table]:
    """The figures for a reader."""
    sizes = {int(size): found for size, found in measured["sizes"].items()}
    return [_costs(sizes, measured), _recall(sizes), _false_alarms(sizes), _stress(sizes)]


def _costs(sizes: Mapping[int, Any], measured: Mapping[str, Any]) -> Table:
    heads = ("terms", "spoken", "bytes a term", "open s", "p50 ms", "p99 ms", "span", "path", "verifier")
    rate = measured["enrolment"]["terms_per_second"]
    table = Table(
        *heads,
        "exhaustive s",
        "paper s",
        "add s",
        "remove s",
        title=f"Cost per 10 s of audio (paper: scaled from pairs; enrolment: {rate:.1f} terms/s)",
    )
    for size, found in sizes.items():
        times = found["latency"]
        stages = [f"{1000 * times[name]['p50']:.0f}" for name in ("span", "path", "verifier")]
        exhaustive = found["exhaustive"]["seconds_per_10_s"]
        table.add_row(
            f"{size:,}",
            f"{found['spoken']:,}",
            f"{found['bytes_per_term']:,.0f}",
            f"{found['opening_seconds']:.2f}",
            f"{1000 * times['total']['p50']:.0f}",
            f"{1000 * times['total']['p99']:.0f}",
            *stages,
            "–" if exhaustive is None else f"{exhaustive:.2f}",
            f"{paper_seconds(measured['paper'], size):,.0f}",
            f"{found['change']['add_seconds']:.1f}",
            f"{found['change']['remove_seconds']:.1f}",
        )
    return table


def _recall(sizes: Mapping[int, Any]) -> Table:
    heads = ("terms", "utterances", "said", "1st stage", "2nd stage", "end", "at any probability")
    table = Table(*heads, "exhaustive / cascade on the same", title="Recall with exact 95% bounds")
    for size, found in sizes.items():
        for kind in SAYING:
            facts, same = found["kinds"][kind], found["exhaustive"]
            recall = [_interval(facts["recall"][name]) for name in ("span", "path", "end", "any")]
            beside = "–"
            if kind in same["kinds"]:
                ends = [same[key][kind]["recall"]["end"]["value"] for key in ("kinds", "cascade")]
                beside = f"{_share(ends[0])} / {_share(ends[1])} ({same['kinds'][kind]['said']} said)"
            table.add_row(f"{size:,}", kind, str(facts["said"]), *recall, beside)
    return table


def _false_alarms(sizes: Mapping[int, Any]) -> Table:
    recalls = ("0.9", "0.8", "0.7", "0.6", "0.5")
    heads = (
        "terms",
        "utterances",
        "minutes",
        "at the usual probability",
        *(f"at {recall} recall" for recall in recalls),
    )
    table = Table(*heads, title="False alarms a minute (without terms: at the probabilities of espeak's recalls)")
    for size, found in sizes.items():
        for kind, facts in found["kinds"].items():
            by_recall = facts["false_per_minute_by_recall"]
            rates = [facts["false_per_minute"], *(by_recall[recall] for recall in recalls)]
            shown = ["–" if value is None else f"{value:.3g}" for value in rates]
            table.add_row(f"{size:,}", kind, f"{facts['minutes']:.1f}", *shown)
    return table


def _stress(sizes: Mapping[int, Any]) -> Table:
    table = Table("terms", "group", "said", "recall", "another found as well", title="Hard terms, in espeak")
    for size, found in sizes.items():
        for group, facts in found["stress"].items():
            confused = _interval(facts["confused"])
            table.add_row(f"{size:,}", group, str(facts["said"]), _interval(facts["recall"]), confused)
    return table


def _interval(found: Mapping[str, float | None]) -> str:
    return f"{_share(found['value'])} [{_share(found['low'])}, {_share(found['high'])}]"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make all stores, then measure what is missing of every size.

    Raises:
        HarkenError: sizes too small for what is said, or whatever enrolment finds.
    """
    sizes = sorted({int(size) for size in options.terms.split(",")})
    work: Path = options.work.absolute()
    overrides = [f"run.output={work}", f"terms.path={work / 'terms.jsonl'}", "terms.pronunciations=null"]
    # Half of the dictionary is common words.
    overrides += ["curation.most_common=0", *options.overrides]
    run = load_config(options.config, overrides, GlossarySettings)
    wanted = int(_SPARE * min(max(sizes), options.spoken))
    vocabulary = draw_vocabulary(wanted, options.said, unseen_names(), options.words, run.run.seed)
    if sizes[0] < vocabulary.needed:
        remedy = f"Every glossary holds the {vocabulary.needed} terms that matter: ask for more, or lower --said."
        raise HarkenError("--terms", sizes[0], remedy)
    stores = Stores(run, vocabulary, options.changed)
    spoken = stores.spoken
    heard = heard_utterances(run, vocabulary, options.unseen, options.nothing)
    for size in sizes:
        stores.store(size)
    # As a shard has it; the index of a store divides its lists among the machine's cores by itself.
    torch.set_num_threads(1)
    bench = Bench(stores, heard, options.exhaustive_seconds)
    paper = bench.paper()
    found = {}
    for size in sizes:
        found[str(size)] = bench.size(size) | {"bits": run.bits}
    enrolment = {
        "entries": len(spoken.entries),
        "seconds": spoken.seconds,
        "terms_per_second": len(spoken.entries) / spoken.seconds,
    }
    measured = figures(found, paper, enrolment)
    write_text(work / PAGE, render_costs(found, costs(found, paper)))
    say(f"cost against size: {work / PAGE}")
    return measured


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--terms", default="1000,10000,100000,1000000", help="sizes of the glossary, by commas")
    arguments.add_argument("--config", type=Path, default=Path("configs/glossary.yaml"))
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument("--words", type=Path, help="Latin words, one a line; default: invented names")
    arguments.add_argument("--spoken", type=int, default=100_000, help="terms that are spoken; the rest is spliced")
    arguments.add_argument("--said", type=int, default=120, help="about so many Chinese terms are said, half as Latin")
    arguments.add_argument("--unseen", type=int, default=90, help="recordings of the unseen synthesizer, at most")
    arguments.add_argument("--nothing", type=int, default=12, help="10 s each of silence and of noise")
    arguments.add_argument("--changed", type=int, default=1000, help="terms that are added and removed")
    arguments.add_argument(
        "--exhaustive-seconds", type=float, default=300.0, help="for the exhaustive search of a size"
    )
    arguments.add_argument("--work", type=Path, default=Path("outputs/benchmarks/glossary"), help="all that is kept")
    arguments.add_argument("--fresh", action="store_true", help="delete the work folder first")
    arguments.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    add_output_arguments(arguments)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing and print; 1 when a target does not hold (never with --quick), 2 for bad input."""
    options = parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    try:
        measured = measure(options)
    except HarkenError as error:
        say(f"error: {error}")
        return 2
    deliver("glossary", measured, tables(measured), options)
    held = all(facts["holds"] for facts in measured["targets"].values())
    return 0 if held or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
