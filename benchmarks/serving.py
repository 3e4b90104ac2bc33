"""What the service costs: ``python -m benchmarks.serving --glossaries FOLDER --json``.

Four parts (--parts) on the graph of configs/serve.yaml, over real HTTP: *overhead*, a request beside the same parts of
a transcriber called directly, in turns on the same recording, and where the difference goes; *throughput*, many clients
at a time with dynamic batches and without; *shards*, the largest glossary divided among 1, 2 and 4 deployments, and
whether they find the same; *biasing*, requests with glossaries beside plain ones, in turns, stage by stage.

Recordings are sentences, every other one with a term of the smallest glossary behind it. Glossaries are stores that
`benchmarks.glossary` or `jobs.glossary` has made. Each part leaves its record in the work folder and is not measured
twice; --fresh starts over.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from rich.table import Table

from benchmarks.glossary_stores import BUILT
from benchmarks.results import add_output_arguments, deliver, say, target
from benchmarks.serving_measures import PLAIN, STAGES, Bench
from benchmarks.serving_speech import SENTENCES, draw_terms, read_sentences, record
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import MANIFEST
from harken.config import load_config
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.keywords import load_keywords
from jobs.glossary import build

PARTS = ("overhead", "throughput", "shards", "biasing")
_OVERHEAD_MS, _COST, _COST_TERMS = 15, 1.25, 1_000
# A smoke test of the benchmark, too small to measure anything.
QUICK = {"sentences": 2, "rounds": 1, "concurrency": 2, "shards": "1,2"}
_QUICK_TERMS = (6, 12)


def figures(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The targets beside what was measured."""
    targets: dict[str, Any] = {}
    if overhead := parts.get("overhead"):
        p50 = 1000 * overhead["overhead"]["p50"]
        targets["overhead over a direct call, p50 in ms"] = target(p50, "<=", _OVERHEAD_MS)
        told = [overhead, *([overhead["proxied"]] if "proxied" in overhead else [])]
        share = sum(one["same_text"] for one in told) / sum(one["requests"] for one in told)
        targets["share of answers with the direct call's text"] = target(share, "==", 1)
    if throughput := parts.get("throughput"):
        for kind, found in throughput["batches"].items():
            times = found["requests_per_second"] / throughput["one by one"][kind]["requests_per_second"]
            targets[f"throughput with batches over without, {kind}"] = target(times, ">=", 1)
    if shards := parts.get("shards"):
        # The first count is what the others are held against.
        for count, found in list(shards["counts"].items())[1:]:
            share = found["same_detections"] / found["requests"]
            targets[f"{count} shards: share of answers with the same detections"] = target(share, "==", 1)
    if biasing := parts.get("biasing"):
        name = _label(_COST_TERMS)
        if name in biasing["kinds"]:
            targets[f"{name}: p50 over plain"] = target(biasing["kinds"][name]["ratio"], "<=", _COST)
    return {"parts": dict(parts), "targets": targets}


def tables(measured: Mapping[str, Any]) -> list[Table]:
    """The figures for a reader."""
    makers = {"overhead": _overhead, "throughput": _throughput, "shards": _shards, "biasing": _biasing}
    return [table for name, found in measured["parts"].items() for table in makers[name](found)]


def _overhead(found: Mapping[str, Any]) -> list[Table]:
    tables = _beside_direct_calls(found)
    if proxied := found.get("proxied"):
        tables += _beside_direct_calls(proxied, "Behind Ray Serve's proxies (service.listen.by=proxies): ")
    return tables


def _beside_direct_calls(found: Mapping[str, Any], where: str = "") -> list[Table]:
    title = f"{where}A request beside a direct call, {found['requests']} of each in turns"
    whole = Table("what", "p50 ms", "p99 ms", title=title)
    rows = {"direct call": "direct", "request": "service", "request less direct call, by pairs": "overhead"}
    for name, key in rows.items():
        whole.add_row(name, *_milliseconds(found[key]))
    layers = Table("where it goes", "p50 ms", "p99 ms", title=f"{where}The difference by layers")
    for name, figure in found["layers"].items():
        layers.add_row(name, *_milliseconds(figure))
    return [whole, layers]


def _throughput(found: Mapping[str, Any]) -> list[Table]:
    heads = ("glossary", "requests/s in batches", "one by one", "times", "audio s/s in batches", "one by one")
    table = Table(*heads, title=f"Throughput, {found['concurrency']} requests at a time")
    for kind, batched in found["batches"].items():
        single = found["one by one"][kind]
        times = batched["requests_per_second"] / single["requests_per_second"]
        rates = [f"{one['requests_per_second']:.2f}" for one in (batched, single)]
        audio = [f"{one['audio_seconds_per_second']:.1f}" for one in (batched, single)]
        table.add_row(kind, *rates, f"{times:.2f}", *audio)
    return [table]


def _shards(found: Mapping[str, Any]) -> list[Table]:
    heads = ("shards", "search p50 ms", "p99", "request p50 ms", "p99", "detections", "answers that are the same")
    table = Table(*heads, title=f"Finding terms in a glossary of {found['glossary']}")
    for count, one in found["counts"].items():
        alike = f"{one['same_detections']} of {one['requests']}"
        times = (*_milliseconds(one["search"]), *_milliseconds(one["request"]))
        table.add_row(count, *times, str(one["detections"]), alike)
    return [table]


def _biasing(found: Mapping[str, Any]) -> list[Table]:
    heads = ("glossary", "p50 ms", "p99 ms", "p50 over plain", "term said", "no term", *(f"{one} ms" for one in STAGES))
    title = f"Biasing beside plain transcription, {found['requests']} requests each; stages are means"
    table = Table(*heads, "terms heard", "applied", title=title)
    for kind, one in found["kinds"].items():
        ratios = (f"{one[name]:.2f}" for name in ("ratio", "ratio_with_term", "ratio_without_term"))
        stages = (f"{1000 * one['stages'][stage]:.0f}" for stage in STAGES)
        terms = (f"{one[name]:.2f}" for name in ("terms_per_request", "applied_per_request"))
        table.add_row(kind, *_milliseconds(one), *ratios, *stages, *terms)
    waits = [stage for stage in STAGES if stage != "search"]
    heads = ("glossary", "ms", *waits, "search, beyond the decoding beside it")
    added = Table(*heads, title="What biasing adds to the mean, and the share of each stage")
    plain = found["kinds"][PLAIN]
    for kind, one in found["kinds"].items():
        whole = one["mean"] - plain["mean"]
        if kind != PLAIN and whole > 0:
            shares = [(one["stages"][stage] - plain["stages"][stage]) / whole for stage in waits]
            added.add_row(kind, f"{1000 * whole:.0f}", *(f"{share:.0%}" for share in (*shares, 1 - sum(shares))))
    return [table, added]


def _milliseconds(figure: Mapping[str, float]) -> list[str]:
    return [f"{1000 * figure[name]:.1f}" for name in ("p50", "p99")]


def _label(terms: int) -> str:
    return f"{terms:,} terms"


def find_stores(folders: Sequence[Path], sizes: Sequence[int]) -> dict[str, Path]:
    """The stores of these sizes by what tables call them: `folders` are stores, or works of `benchmarks.glossary`.

    Raises:
        HarkenError: there is no store of one of the sizes.
    """
    found: dict[int, Path] = {}
    for folder in folders:
        stores = (
            [folder] if (folder / MANIFEST).exists() else [file.parent for file in folder.glob(f"stores/*/{BUILT}")]
        )
        for store in sorted(stores):
            found.setdefault(len(open_glossary(store).entry_ids), store)
    missing = [size for size in sizes if size not in found]
    if missing:
        asked = ",".join(map(str, sizes))
        remedy = f"Make them: python -m benchmarks.glossary --terms {asked}; or choose others by --terms."
        raise HarkenError("stores with so many terms", missing, remedy)
    return {_label(size): found[size] for size in sorted(sizes)}


def small_stores(work: Path) -> dict[str, Path]:
    """Two small ones of the example's terms, for --quick."""
    terms = [one.term for one in load_keywords(Path("examples/luxury/keywords.csv")) if not one.term.isascii()]
    found = {}
    for size in _QUICK_TERMS:
        folder = work / f"glossary-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "terms.csv").write_text("\n".join(["term", *terms[:size], ""]), encoding="utf-8")
        workers = [f"resources.{name}_workers=0" for name in ("reader", "speech", "encoder")]
        overrides = [f"run.output={folder}", f"terms.path={folder / 'terms.csv'}", "curation.most_common=0", *workers]
        run = load_config(Path("configs/glossary.yaml"), overrides, GlossarySettings)
        build(run)
        found[_label(size)] = run.store_folder
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is missing of every part.

    Raises:
        HarkenError: stores or sentences are missing, an unknown part, or the service fails.
    """
    parts = options.parts.split(",")
    for part in parts:
        if part not in PARTS:
            raise HarkenError("--parts", part, f"Choose from {', '.join(PARTS)}.")
    sizes = [int(size) for size in options.terms.split(",")]
    work = options.work.absolute()
    stores = small_stores(work) if options.quick else find_stores(options.glossaries, sizes)
    sentences = read_sentences(SENTENCES, options.sentences)
    recordings = record(sentences, draw_terms(next(iter(stores.values())), len(sentences)))
    shards = [int(count) for count in options.shards.split(",")]
    bench = Bench(
        options.config, options.overrides, work, stores, recordings, options.rounds, options.concurrency, shards
    )
    try:
        return figures({part: bench.part(part) for part in parts})
    finally:
        ray.shutdown()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--parts", default=",".join(PARTS), help="what is measured, by commas")
    arguments.add_argument("--config", type=Path, default=Path("configs/serve.yaml"))
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument(
        "--glossaries",
        type=Path,
        nargs="+",
        default=[Path("outputs/benchmarks/glossary")],
        metavar="FOLDER",
        help="stores, or work folders of benchmarks.glossary",
    )
    arguments.add_argument("--terms", default="1000,10000,100000", help="sizes of the glossaries, by commas")
    arguments.add_argument("--sentences", type=int, default=20, help="each is said alone and with a term behind it")
    arguments.add_argument("--rounds", type=int, default=4, help="how often each recording is heard")
    arguments.add_argument("--concurrency", type=int, default=8, help="clients at a time for the throughput")
    arguments.add_argument("--shards", default="1,2,4", help="counts that are compared, by commas")
    arguments.add_argument("--work", type=Path, default=Path("outputs/benchmarks/serving"), help="all that is kept")
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
    deliver("serving", measured, tables(measured), options)
    held = all(facts["holds"] for facts in measured["targets"].values())
    return 0 if held or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
