"""Score hypotheses against references.

python -m jobs.score --references R.jsonl --hypotheses H.jsonl --keywords K.csv

Manifests hold one {"id": ..., "text": ...} a line, keyword lists the columns term,category. Needs no model, no Ray.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harken.errors import HarkenError
from harken.keywords import KeywordMatcher, load_keywords
from harken.metrics import (
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
)

BAD_INPUT = 2
SEED = 0


class Line(NamedTuple):
    """The text of a manifest's line, and the line's number."""

    text: str
    number: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Score and print; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(arguments)
    try:
        analyses = _analyse(options)
    except HarkenError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    try:
        # A terminal that cannot show a character must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if options.json:
            print(json.dumps(summarise(analyses, options.explain), allow_nan=False))
        else:
            print(_render(analyses, options.explain), end="")
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` closed the pipe; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def summarise(analyses: Mapping[str, UtteranceAnalysis], explained: bool = False) -> dict[str, Any]:
    """What ``--json`` prints: every metric as a plain number (null where there is nothing to count) and the parts."""
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
    if explained:
        summary["explanations"] = {name: explain(analysis) for name, analysis in analyses.items()}
    return summary


def read_texts(path: Path) -> dict[str, Line]:
    """The texts of a manifest by id; an empty text is silence.

    Raises:
        HarkenError: the file is missing, not UTF-8 or without rows; or a line (named) is no JSON object, lacks
            ``id`` or ``text``, or repeats an id.
    """
    texts: dict[str, Line] = {}
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as failure:
        remedy = f"It cannot be read ({failure.strerror}): give a JSONL file."
        raise HarkenError("manifest", str(path), remedy) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        identity, text = _read_line(line, f"{path}, line {number}")
        if identity in texts:
            remedy = f"The id is already on line {texts[identity].number}: ids are unique."
            raise HarkenError(f"{path}, line {number}", identity, remedy)
        texts[identity] = Line(text, number)
    if not texts:
        raise HarkenError("manifest", str(path), 'It has no rows: write one {"id": ..., "text": ...} a line.')
    return texts


def _read_line(line: bytes, place: str) -> tuple[str, str]:
    shown = line[:80].decode("utf-8", "replace").strip()
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as failure:
        raise HarkenError(place, shown, f"It is not UTF-8 ({failure.reason}): save the file as UTF-8.") from None
    except (json.JSONDecodeError, RecursionError) as failure:
        raise HarkenError(place, shown, f'It is not JSON ({failure}): write {{"id": ..., "text": ...}}.') from None
    if not isinstance(row, dict):
        raise HarkenError(place, shown, 'It is not a JSON object: write {"id": ..., "text": ...}.')
    for field in ("id", "text"):
        if field not in row:
            raise HarkenError(place, shown, f"The field {field!r} is missing: add it.")
    identity, text = row["id"], row["text"]
    if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
        raise HarkenError(f"{place}, id", identity, "Give a non-empty string or an integer.")
    if not isinstance(text, str):
        raise HarkenError(f"{place}, text", text, 'Give a string, "" where nothing was said or heard.')
    return str(identity), text


def _analyse(options: argparse.Namespace) -> dict[str, UtteranceAnalysis]:
    names = [name.strip() for name in options.segmenters.split(",") if name.strip()]
    matcher = KeywordMatcher(load_keywords(options.keywords))
    references, hypotheses = read_texts(options.references), read_texts(options.hypotheses)
    _require_ids(options.hypotheses, hypotheses, "hypothesis", options.references, references)
    _require_ids(options.references, references, "reference", options.hypotheses, hypotheses)
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


def _require_ids(path: Path, texts: Mapping[str, Line], role: str, other: Path, wanted: Mapping[str, Line]) -> None:
    missing = [identity for identity in wanted if identity not in texts]
    if missing:
        remedy = f"{other} has it on line {wanted[missing[0]].number}"
        remedy += f" ({len(missing)} such ids)" if len(missing) > 1 else ""
        raise HarkenError(f"{path} has no {role} for the id", missing[0], f"{remedy}: both files need the same ids.")


def _render(analyses: Mapping[str, UtteranceAnalysis], explained: bool) -> str:
    from rich.console import Console

    # Texts may contain what rich would take for markup.
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        if explained:
            for identity, analysis in analyses.items():
                _print_explanation(console, identity, analysis)
        _print_scores(console, [analysis.score() for analysis in analyses.values()])
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
        words, single = f"{errors['W']}/{units['W'] - retyped}", f"{errors['C']}/{units['C'] + retyped}"
        keywords = f"{errors['S']}/{units['S']}"
        table.add_row(segmenter, _number(parts["ier"]), words, single, keywords, str(parts["insertions"]))
    console.print(table)
    console.print("A wrong word of which one character was heard counts as a character.\n")

    table = _table("Keyword recall by category", "category", "recall", "right/mentions")
    for category, recall in keyword_recall_by_category(scores).items():
        table.add_row(category, _number(recall["recall"]), f"{recall['right']}/{recall['mentions']}")
    console.print(table)


def _table(title: str, *headers: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--references", type=Path, required=True, help="what was said (JSONL)")
    parser.add_argument("--hypotheses", type=Path, required=True, help="what was recognised (JSONL, the same ids)")
    parser.add_argument("--keywords", type=Path, required=True, help="keyword list (CSV: term,category)")
    parser.add_argument(
        "--segmenters", default="jieba", help="for the IER: jieba, hanlp or jieba,hanlp (default: jieba)"
    )
    parser.add_argument("--hanlp-model", type=Path, help="folder of a saved HanLP tokenizer")
    parser.add_argument("--itn", action="store_true", help="write Chinese numerals as digits first (二十 is 20)")
    parser.add_argument("--fold-accents", action="store_true", help="take hermès and hermes for the same")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--explain", action="store_true", help="also show every unit and why it is wrong")
    return parser


if __name__ == "__main__":
    sys.exit(main())
