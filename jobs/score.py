"""Score hypotheses against references.

python -m jobs.score --references R.jsonl --hypotheses H.jsonl --keywords K.csv [--against OTHER.jsonl]

With --against, also tell how much better or worse H is than another system's hypotheses of the same references, with
the 95% interval and the p-value of the paired bootstrap over utterances.

Manifests hold one {"id": ..., "text": ...} a line, keyword lists the columns term,category. Needs no model, no Ray.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harken.errors import HarkenError
from harken.keywords import KeywordMatcher, load_keywords
from harken.metrics import (
    Difference,
    UtteranceAnalysis,
    UtteranceScore,
    aggregate,
    analyse_utterance,
    bootstrap,
    explain,
    ier_by_segmenter,
    keyword_recall_by_category,
    load_segmenters,
    mean_over_utterances,
    paired_bootstrap,
)
from jobs.transcripts import read_texts, require_ids

BAD_INPUT = 2
SEED = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Score and print; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(arguments)
    try:
        analyses = _analyse(options, options.hypotheses)
        others = _analyse(options, options.against) if options.against else None
    except HarkenError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    try:
        # A terminal that cannot show a character must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if options.json:
            print(json.dumps(summarise(analyses, options.explain, others), allow_nan=False))
        else:
            print(_render(analyses, options.explain, others), end="")
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` closed the pipe; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def summarise(
    analyses: Mapping[str, UtteranceAnalysis],
    explained: bool = False,
    others: Mapping[str, UtteranceAnalysis] | None = None,
) -> dict[str, Any]:
    """What ``--json`` prints: every metric as a plain number (null where there is nothing to count) and the parts.

    With the analyses of another system, ``difference`` holds every metric less the other's: value, low, high, p.
    """
    scores = [analysis.score() for analysis in analyses.values()]
    means = mean_over_utterances(scores)
    summary: dict[str, Any] = {
        **aggregate(scores),
        "ier_by_segmenter": ier_by_segmenter(scores),
        "keyword_recall_by_category": keyword_recall_by_category(scores),
        "mean_over_utterances": {name: means[name] for name in ("ier", "ier_ins")},
        "segmenters": list(ier_by_segmenter(scores)),
        "utterances": len(scores),
    }
    if others:
        summary["difference"] = compare(others, analyses)
    if explained:
        summary["explanations"] = {name: explain(analysis) for name, analysis in analyses.items()}
    return summary


def compare(before: Mapping[str, UtteranceAnalysis], after: Mapping[str, UtteranceAnalysis]) -> dict[str, Difference]:
    """``after`` minus ``before`` in every metric over the same resampled utterances; both hold the same ids."""
    return paired_bootstrap(
        [before[identity].score() for identity in after], [after[identity].score() for identity in after], seed=SEED
    )


def _analyse(options: argparse.Namespace, path: Path) -> dict[str, UtteranceAnalysis]:
    joined = "jieba,hanlp" if options.hanlp_model else "jieba"
    chosen = joined if options.segmenters is None else options.segmenters
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    matcher = KeywordMatcher(load_keywords(options.keywords))
    references, hypotheses = read_texts(options.references), read_texts(path)
    require_ids(path, hypotheses, "hypothesis", options.references, references)
    require_ids(options.references, references, "reference", path, hypotheses)
    segmenters = load_segmenters(names, options.hanlp_model)
    return {
        identity: analyse_utterance(
            line.text,
            hypotheses[identity].text,
            matcher,
            segmenters,
            number_form="itn" if options.itn else None,
            fold_accents=options.fold_accents,
        )
        for identity, line in references.items()
    }


def _render(
    analyses: Mapping[str, UtteranceAnalysis], explained: bool, others: Mapping[str, UtteranceAnalysis] | None
) -> str:
    from rich.console import Console

    # Texts may contain what rich would take for markup.
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        if explained:
            for identity, analysis in analyses.items():
                _print_explanation(console, identity, analysis)
        _print_scores(console, [analysis.score() for analysis in analyses.values()])
        if others:
            _print_differences(console, compare(others, analyses))
    return capture.get()


def _print_explanation(console: Any, identity: str, analysis: UtteranceAnalysis) -> None:
    explanation = explain(analysis)
    console.print(f"\n{identity}", style="bold")
    console.print(f"  reference   {explanation['reference']}")
    console.print(f"  hypothesis  {explanation['hypothesis']}")
    for name, units in explanation["units"].items():
        table = _table(f"{name}: units", "unit", "class", "heard", "error", "why")
        for unit in units:
            kind = unit["unit_class"] or ""
            if unit["category"]:
                kind += f" {unit['category']}"
            table.add_row(unit["unit"], kind, unit["heard"], unit["counted_as"] or "", unit["why"])
        console.print(table)


def _print_scores(console: Any, scores: Sequence[UtteranceScore]) -> None:
    table = _table(f"Utterances: {len(scores)}", "metric", "value", "95% interval")
    for name, interval in bootstrap(scores, seed=SEED).items():
        bounds = "–" if interval["low"] is None else f"{_number(interval['low'])} to {_number(interval['high'])}"
        table.add_row(name, _number(interval["value"]), bounds)
    console.print(table)

    table = _table("IER: wrong/units", "segmenter", "IER", "words", "characters", "keywords", "inserted between")
    for segmenter, parts in ier_by_segmenter(scores).items():
        errors, units, retyped = parts["errors"], parts["units"], parts["retyped"]
        counted = {"W": units["W"] - retyped, "C": units["C"] + retyped, "S": units["S"]}
        by_class = [f"{_number(parts['rates'][kind])}  {errors[kind]}/{counted[kind]}" for kind in counted]
        table.add_row(segmenter, _number(parts["ier"]), *by_class, str(parts["insertions"]))
    console.print(table)
    console.print("A wrong word of which one character was heard counts as a character.\n")

    table = _table("Keyword recall by category", "category", "recall", "right/mentions")
    for category, recall in keyword_recall_by_category(scores).items():
        table.add_row(category, _number(recall["recall"]), f"{recall['right']}/{recall['mentions']}")
    console.print(table)


def _print_differences(console: Any, differences: Mapping[str, Difference]) -> None:
    table = _table("Difference: hypotheses less --against", "metric", "difference", "95% interval", "p", "")
    for name, found in differences.items():
        low, high = found["low"], found["high"]
        if low is None or high is None:
            table.add_row(name, _signed(found["value"]), "–", "–", "")
            continue
        verdict = "significant" if low > 0 or high < 0 else "may be chance"
        table.add_row(name, _signed(found["value"]), f"{low:+.4f} to {high:+.4f}", _number(found["p"]), verdict)
    console.print(table)


def _table(title: str, *headers: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--references", type=Path, required=True, help="what was said (JSONL)")
    parser.add_argument("--hypotheses", type=Path, required=True, help="what was recognised (JSONL, the same ids)")
    parser.add_argument("--keywords", type=Path, required=True, help="keyword list (CSV: term,category)")
    parser.add_argument("--against", type=Path, help="another system's hypotheses to compare with (JSONL)")
    parser.add_argument(
        "--segmenters", help="for the IER: jieba, hanlp or jieba,hanlp (default: jieba, and hanlp with a model)"
    )
    parser.add_argument("--hanlp-model", type=Path, help="folder of a saved HanLP tokenizer, which joins jieba")
    parser.add_argument("--itn", action="store_true", help="write Chinese numerals as digits first (二十 is 20)")
    parser.add_argument("--fold-accents", action="store_true", help="take hermès and hermes for the same")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--explain", action="store_true", help="also show every unit and why it is wrong")
    return parser


if __name__ == "__main__":
    sys.exit(main())
