"""Transcripts biased by what a search of whole glossaries finds, end to end: `python -m benchmarks.biasing`.

Notes and sentences with terms that the embedded model has never seen, sentences without, English of another engine,
speech that runs backwards, and no speech at all take the path of the service (`path`) with glossaries of growing size.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from actors.pronunciation import Pronouncer, load_pronunciations
from benchmarks.biasing.glossaries import nested_glossaries
from benchmarks.biasing.path import Listened, ServedPath
from benchmarks.biasing.systems import (
    ALL,
    DEFAULT,
    UNBIASED,
    compare,
    difference,
    inserted,
    interval,
    systems,
    transcript,
)
from benchmarks.biasing.utterances import VOICES, Spoken, backwards, foreign, read_rows, speak, without_speech
from benchmarks.results import say, target
from harken.biasing.proposals import Proposals
from harken.biasing.settings import MECHANISMS, BiasingSettings
from harken.config import load_config
from harken.detection import Detection
from harken.keywords import KeywordMatcher, load_keywords
from serve.graph_settings import GraphSettings

SENTENCES, NOTES, NO_TERM, FOREIGN, BACKWARDS, QUIET = (
    "sentences",
    "notes",
    "no term",
    "English",
    "backwards",
    "no speech",
)
SAYING = (SENTENCES, NOTES)
WRITTEN = (*SAYING, NO_TERM, FOREIGN)
"""Kinds whose texts are known; the others say nothing."""
# English recordings that the guards are fitted on come before.
FIT_FOREIGN = 30
_RECALL, _PER_MINUTE = 0.3, 1.0


@dataclass(frozen=True)
class Heard:
    """Utterances of one kind after the encoder, and what is written of them without a glossary."""

    listened: list[Listened]
    unbiased: list[list[Proposals]]

    @property
    def minutes(self) -> float:
        return sum(one.spoken.seconds for one in self.listened) / 60

    @property
    def references(self) -> list[str]:
        return [one.spoken.text for one in self.listened]


def recordings(options: argparse.Namespace, matcher: KeywordMatcher) -> dict[str, list[Spoken]]:
    """What is transcribed, by kind."""
    pronouncer = Pronouncer(load_pronunciations(options.pronunciations))
    count, some = options.utterances, max(1, options.utterances // 3)
    general = [row for row in read_rows(options.general) if not matcher.find(row["text"])]
    found = {
        SENTENCES: speak(read_rows(options.sentences, 0, count), VOICES, pronouncer),
        NOTES: speak(read_rows(options.test, 0, count), VOICES, pronouncer),
        NO_TERM: speak(general[: 2 * some], VOICES, pronouncer),
        FOREIGN: foreign(FIT_FOREIGN, some),
    }
    return found | {BACKWARDS: backwards(found[NOTES][:some]), QUIET: without_speech(10.0)}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures.

    Raises:
        HarkenError: models or glossaries that do not fit, or sizes below the list's.
    """
    matcher = KeywordMatcher(load_keywords(options.keywords))
    service = load_config(options.config, options.overrides, GraphSettings)
    settings = service.transcriber.biasing
    # Every mechanism proposes; the default is what its own mechanisms proposed of it.
    path = ServedPath(service, settings.model_copy(update=dict.fromkeys(MECHANISMS, True)))
    nested = nested_glossaries(service, options)
    spoken = recordings(options, matcher)
    say(f"listening to {sum(map(len, spoken.values()))} recordings")
    heard = {}
    for kind, utterances in spoken.items():
        listened = path.listen(utterances)
        heard[kind] = Heard(listened, path.propose(listened))
    found = {}
    for size in sorted(int(size) for size in options.sizes.split(",")):
        folder = nested.store(size)
        cascade = path.cascade(folder)
        biased, detected = {}, {}
        for kind, one in heard.items():
            say(f"{size:,} terms: {kind}")
            detected[kind] = path.search(cascade, one.listened)
            biased[kind] = path.propose(one.listened, detected[kind], one.unbiased)
        found[str(size)] = _figures(heard, detected, biased, matcher, settings) | {"made_of": nested.made_of(size)}
    return {
        "kinds": {
            kind: {
                "utterances": len(one.listened),
                "minutes": one.minutes,
                "windows": sum(len(utterance.windows) for utterance in one.listened),
            }
            for kind, one in heard.items()
        },
        "default": list(settings.mechanisms),
        "glossaries": found,
        "targets": targets(found),
    }


def _figures(
    heard: Mapping[str, Heard],
    detected: Mapping[str, Sequence[Sequence[Sequence[Detection]]]],
    biased: Mapping[str, Sequence[Sequence[Proposals]]],
    matcher: KeywordMatcher,
    settings: BiasingSettings,
) -> dict[str, Any]:
    def compared(kinds: Sequence[str]) -> dict[str, Any]:
        references = [text for kind in kinds for text in heard[kind].references]
        return compare(references, [windows for kind in kinds for windows in biased[kind]], matcher, settings)

    found: dict[str, Any] = {"with terms": compared(SAYING), "all": compared(WRITTEN), "kinds": {}}
    for kind, one in heard.items():
        detections = [[found for window in windows for found in window] for windows in detected[kind]]
        wrong = {}
        for name, mechanisms in systems(settings).items():
            made = [transcript(windows, mechanisms) for windows in biased[kind]]
            wrong[name] = [term for text, own in zip(one.references, made, strict=True) for term in inserted(text, own)]
        found["kinds"][kind] = {
            "detections": sum(map(len, detections)),
            "inserted": {name: len(terms) for name, terms in wrong.items()},
            "inserted_per_minute": {name: len(terms) / one.minutes for name, terms in wrong.items()},
            "inserted_terms": wrong[DEFAULT],
        }
        if kind in WRITTEN:
            found["kinds"][kind]["systems"] = compared([kind])
        if kind in SAYING:
            found["kinds"][kind]["terms"] = _terms(one.references, detections, matcher)
    return found


def _terms(
    references: Sequence[str], detections: Sequence[Sequence[Detection]], matcher: KeywordMatcher
) -> dict[str, int]:
    """Terms that are said, and how many of them the search finds."""
    said = found = 0
    for text, own in zip(references, detections, strict=True):
        spellings = {spelling for detection in own for spelling in detection.spellings}
        terms = {mention.term for mention in matcher.find(text)}
        said, found = said + len(terms), found + len(terms & spellings)
    return {"said": said, "found": found}


def targets(glossaries: Mapping[str, Any]) -> dict[str, Any]:
    """What was promised, of every size."""
    found = {}
    for name, facts in glossaries.items():
        told, kinds = f"{int(name):,} terms", facts["kinds"]
        default, everything = facts["with terms"][DEFAULT], facts["all"][DEFAULT]
        found[f"{told}: recall over the unbiased text's"] = target(
            default["keyword_recall_difference"]["value"], ">=", _RECALL
        )
        found[f"{told}: MER difference with terms, upper bound"] = target(default["mer_difference"]["high"], "<=", 0.0)
        found[f"{told}: MER difference of all speech, upper bound"] = target(
            everything["mer_difference"]["high"], "<=", 0.0
        )
        for kind in (NO_TERM, FOREIGN):
            lowest = kinds[kind]["systems"][DEFAULT]["mer_difference"]["low"]
            found[f"{told}: MER difference, {kind}, lower bound"] = target(lowest, "<=", 0.0)
        for kind in (NO_TERM, FOREIGN, BACKWARDS):
            rate = kinds[kind]["inserted_per_minute"][DEFAULT]
            found[f"{told}: terms inserted a minute, {kind}"] = target(rate, "<=", _PER_MINUTE)
        found[f"{told}: terms inserted, {QUIET}"] = target(kinds[QUIET]["inserted"][ALL], "<=", 0)
    return found


def tables(figures: Mapping[str, Any]) -> list[Table]:
    """The figures for a reader."""
    return [_with_terms(figures), _by_kind(figures)]


def _with_terms(figures: Mapping[str, Any]) -> Table:
    count = sum(figures["kinds"][kind]["utterances"] for kind in SAYING)
    on = ", ".join(figures["default"])
    title = f"{count} held-out notes and sentences with terms, by what a search finds (default: {on})"
    table = Table("terms", "system", "recall", "MER", "CER", "MER difference", "written", "not said", title=title)
    for row, (name, facts) in enumerate(figures["glossaries"].items()):
        for system, found in facts["with terms"].items():
            if system == UNBIASED and row:
                continue
            table.add_row(
                "none" if system == UNBIASED else f"{int(name):,}",
                system,
                interval(found["keyword_recall"]),
                interval(found["mer"]),
                f"{found['cer']['value']:.3f}",
                difference(found["mer_difference"]),
                *(str(found.get(key, "–")) for key in ("accepted", "inserted")),
            )
    return table


def _by_kind(figures: Mapping[str, Any]) -> Table:
    heads = ("terms", "recordings", "minutes", "terms said", "of them found", "detections", "terms inserted a minute")
    table = Table(*heads, "MER", "MER difference", title="By what is said; inserted: a term that was not said")
    for name, facts in figures["glossaries"].items():
        made_of = facts["made_of"]
        told = f"{int(name):,} ({made_of['spliced']:,} spliced)" if made_of["spliced"] else f"{int(name):,}"
        for kind, found in facts["kinds"].items():
            terms, shown = found.get("terms"), found.get("systems")
            default = shown[DEFAULT] if shown else None
            table.add_row(
                told,
                f"{figures['kinds'][kind]['utterances']} {kind}",
                f"{figures['kinds'][kind]['minutes']:.1f}",
                str(terms["said"]) if terms else "–",
                str(terms["found"]) if terms else "–",
                str(found["detections"]),
                f"{found['inserted_per_minute'][DEFAULT]:.2f} ({found['inserted'][DEFAULT]})",
                f"{default['mer']['value']:.3f}" if default else "–",
                difference(default["mer_difference"]) if default else "–",
            )
    return table
