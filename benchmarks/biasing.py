"""What biasing does to transcripts, mechanism by mechanism: ``python -m benchmarks.biasing``.

Notes with terms that the embedded model has never seen, spoken by espeak-ng in held-out voices. What a search of the
glossary would detect is given instead: the terms that are said, at the synthesizer's own times with a jitter, alone
and among false ones that sound most like something in the utterance. All detections have the probability 0.5, so it
tells nothing. Sentences without terms, silence, noise and clicks get false detections only.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from actors.phonetics import Phonetics, Sounds, distance, join
from actors.tts.espeak import HELD_OUT_VOICES, EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from benchmarks.results import add_output_arguments, deliver, say, target
from harken.audio import SAMPLE_RATE, resample
from harken.biasing.biaser import Biaser
from harken.biasing.merge import merge
from harken.biasing.proposals import Proposals
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.keywords import KeywordMatcher, load_keywords
from harken.metrics.bootstrap import bootstrap, paired_bootstrap
from harken.metrics.utterance import UtteranceScore, score_utterance
from harken.records import generator
from harken.unit_times import UnitTime
from harken.vad import VoiceActivity
from harken.whisper import load_whisper

MECHANISMS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "boost": ("boost",),
    "substitution": ("substitution",),
    "all": ("prompt", "boost", "substitution"),
}
METRICS = ("keyword_recall", "mer", "cer")
FALSE_DETECTIONS = 5
# False terms are the nearest in sound of so many that are drawn.
DRAWN = 60
PROBABILITY = 0.5
JITTER_SECONDS = 0.05
BATCH = 16
_MOST_UNITS = 6
# Of a length most like the term's.
_PLACES_PER_TERM = 20


@dataclass(frozen=True)
class Spoken:
    """A text with its recording at 16 kHz, and when its units are said."""

    id: str
    text: str
    wave: np.ndarray
    units: tuple[UnitTime, ...]

    @property
    def seconds(self) -> float:
        return len(self.wave) / SAMPLE_RATE


class Oracle:
    """Detections as a search of the glossary could make them, right and wrong ones."""

    def __init__(self, matcher: KeywordMatcher, sounds: Phonetics) -> None:
        self._matcher = matcher
        self._sounds = sounds
        self._terms = [keyword.term for keyword in matcher.keywords]

    def true(self, spoken: Spoken) -> list[Detection]:
        """The terms that are said."""
        draw = generator(spoken.id, "jitter")
        found = []
        for mention in self._matcher.find(spoken.text):
            units = [
                unit
                for unit in spoken.units
                if unit.character_start < mention.end and mention.start < unit.character_end
            ]
            start, end = (draw.gauss(moment, JITTER_SECONDS) for moment in (units[0].start, units[-1].end))
            found.append(Detection(mention.term, max(0.0, start), end, PROBABILITY, (mention.term,)))
        return found

    def false(self, spoken: Spoken) -> list[Detection]:
        """Terms that are not said, each where it sounds most like what is."""
        draw = generator(spoken.id, "false")
        said = {mention.term for mention in self._matcher.find_all(spoken.text)}
        places = self._places(spoken)
        nearest = sorted(
            (*self._best_place(term, places), term) for term in draw.sample(self._terms, DRAWN) if term not in said
        )
        return [Detection(term, start, end, PROBABILITY, (term,)) for _, start, end, term in nearest[:FALSE_DETECTIONS]]

    def _places(self, spoken: Spoken) -> list[tuple[Sounds, float, float]]:
        """Every stretch of a few units with its sounds and times."""
        units = spoken.units
        heard = [self._sounds.joined(spoken.text[unit.character_start : unit.character_end]) for unit in units]
        return [
            (join(heard[first:last]), units[first].start, units[last - 1].end)
            for first in range(len(units))
            for last in range(first + 1, min(first + _MOST_UNITS, len(units)) + 1)
        ]

    def _best_place(self, term: str, places: Sequence[tuple[Sounds, float, float]]) -> tuple[float, float, float]:
        said = self._sounds.joined(term)
        alike = sorted(places, key=lambda place: abs(len(place[0]) - len(said)))[:_PLACES_PER_TERM]
        return min((distance(said, heard), start, end) for heard, start, end in alike)


def speak(rows: Sequence[Mapping[str, str]]) -> list[Spoken]:
    """Each row in a held-out voice."""
    requests = [
        SpeechRequest(row["id"], row["text"], row["text"], HELD_OUT_VOICES[index % len(HELD_OUT_VOICES)], timed=True)
        for index, row in enumerate(rows)
    ]
    spoken = []
    for request, result in zip(requests, EspeakSynthesizer().synthesize(requests), strict=True):
        assert result.wave is not None
        wave = resample(result.wave, result.sample_rate, SAMPLE_RATE)
        spoken.append(Spoken(request.id, request.text_label, wave, result.units))
    return spoken


def propose(biaser: Biaser, utterances: Sequence[Spoken], detections: Sequence[Sequence[Detection]]) -> list[Proposals]:
    """What every mechanism proposes, in batches."""
    found: list[Proposals] = []
    for start in range(0, len(utterances), BATCH):
        part = utterances[start : start + BATCH]
        encoded = biaser.whisper.encode(biaser.whisper.features([one.wave for one in part]))
        found += biaser.propose(encoded, [one.seconds for one in part], detections[start : start + BATCH])
    return found


def plain_seconds(biaser: Biaser, utterances: Sequence[Spoken]) -> float:
    """CPU seconds per utterance that transcribing without terms takes."""
    started = time.process_time()
    for start in range(0, len(utterances), BATCH):
        part = utterances[start : start + BATCH]
        biaser.whisper.decode(biaser.whisper.encode(biaser.whisper.features([one.wave for one in part])))
    return (time.process_time() - started) / len(utterances)


def judge(utterances: Sequence[Spoken], texts: Sequence[str], matcher: KeywordMatcher) -> list[UtteranceScore]:
    """Scores of transcripts."""
    return [score_utterance(one.text, text, matcher, ()) for one, text in zip(utterances, texts, strict=True)]


def compare(
    utterances: Sequence[Spoken], proposals: Sequence[Proposals], matcher: KeywordMatcher
) -> dict[str, dict[str, Any]]:
    """By system its metrics with intervals, and how its MER differs from the unbiased text's."""
    unbiased = judge(utterances, [window.heard.text for window in proposals], matcher)
    systems = {"unbiased": (unbiased, 0)}
    for name, mechanisms in MECHANISMS.items():
        transcripts = [merge(window, mechanisms) for window in proposals]
        accepted = sum(decision.accepted for one in transcripts for decision in one.decisions)
        systems[name] = judge(utterances, [one.text for one in transcripts], matcher), accepted
    for name in ("prompt", "boost"):
        texts = [window.biased.get(name, window.heard.text) for window in proposals]
        systems[f"{name}, without guards"] = judge(utterances, texts, matcher), 0
    return {
        name: {metric: bootstrap(scores)[metric] for metric in METRICS}
        | {"accepted": accepted, "mer_difference": paired_bootstrap(unbiased, scores)["mer"]}
        for name, (scores, accepted) in systems.items()
    }


def insertions(proposals: Sequence[Proposals]) -> int:
    """Terms that came into texts in which none of them was said."""
    return sum(decision.accepted for window in proposals for decision in merge(window).decisions)


def without_speech() -> list[Spoken]:
    """Silence, noise at three levels, hum and clicks, three seconds each."""
    samples = 3 * SAMPLE_RATE
    draw = np.random.default_rng(0)
    moments = np.arange(samples) / SAMPLE_RATE
    clicks = np.zeros(samples)
    clicks[:: SAMPLE_RATE // 3] = 0.8
    waves = {
        "silence": np.zeros(samples),
        **{f"noise {level:g}": level * draw.standard_normal(samples) for level in (0.001, 0.03, 0.3)},
        "hum": 0.3 * np.sin(2 * np.pi * 50 * moments),
        "clicks": clicks,
    }
    return [Spoken(name, "", wave.astype(np.float32), ()) for name, wave in waves.items()]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    matcher = KeywordMatcher(load_keywords(options.keywords))
    sounds = Phonetics()
    notes, general = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (options.test, options.general)
    )
    notes = notes[options.skip : options.skip + options.utterances]
    general = [row for row in general if not matcher.find(row["text"])][: options.utterances // 2]
    say(f"speaking {len(notes)} notes and {len(general)} sentences without terms")
    utterances, sentences = speak(notes), speak(general)
    sounds.learn([keyword.term for keyword in matcher.keywords] + [one.text for one in (*utterances, *sentences)])
    oracle = Oracle(matcher, sounds)
    biaser = Biaser(load_whisper(options.model), sounds, BiasingSettings(terms=10))
    true = [oracle.true(one) for one in utterances]
    mixed = []
    for one, right in zip(utterances, true, strict=True):
        both = [*right, *oracle.false(one)]
        generator(one.id, "order").shuffle(both)
        mixed.append(both)
    say("transcribing")
    plain = plain_seconds(biaser, utterances)
    started = time.process_time()
    alone = propose(biaser, utterances, true)
    biased = (time.process_time() - started) / len(utterances)
    among = propose(biaser, utterances, mixed)
    free = propose(biaser, sentences, [oracle.false(one) for one in sentences])
    quiet = without_speech()
    nothing = [[Detection(found.term, 0.5, 1.5, 0.99, (found.term,)) for found in mixed[0]] for _ in quiet]
    # Even without the voice activity detection that leaves such audio out.
    silent = propose(biaser, quiet, nothing)
    voices = VoiceActivity()
    sets = {"true terms": compare(utterances, alone, matcher), "and 5 false ones": compare(utterances, among, matcher)}
    mistaken = insertions(free)
    return {
        "utterances": len(utterances),
        "terms_said": sum(map(len, true)),
        "sets": sets,
        "sentences_without_terms": {"utterances": len(sentences), "insertions": mistaken},
        "without_speech": {
            "recordings": len(quiet),
            "windows": sum(len(voices.windows(one.wave, biaser.whisper.window_samples)) for one in quiet),
            "insertions": insertions(silent),
        },
        "cpu_seconds_per_utterance": {"plain": plain, "all mechanisms": biased, "ratio": biased / plain},
        "targets": {
            "recall of terms over the unbiased text's": target(
                sets["and 5 false ones"]["all"]["keyword_recall"]["value"]
                - sets["and 5 false ones"]["unbiased"]["keyword_recall"]["value"],
                ">=",
                0.4,
            ),
            "MER difference to the unbiased text, upper bound, among false terms": target(
                sets["and 5 false ones"]["all"]["mer_difference"]["high"], "<=", 0.0
            ),
            "terms inserted without speech": target(insertions(silent), "<=", 0),
            "terms inserted per sentence without terms": target(mistaken / max(1, len(sentences)), "<=", 0.25),
        },
    }


def tables(figures: Mapping[str, Any]) -> list[Table]:
    """One table per set of detections, and one of what must not happen."""
    found = []
    for name, systems in figures["sets"].items():
        table = Table("system", "recall", "MER", "CER", "MER difference", "terms written", title=f"Detections: {name}")
        for system, facts in systems.items():
            difference = facts["mer_difference"]
            table.add_row(
                system,
                *(f"{facts[metric]['value']:.3f}" for metric in METRICS),
                f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})",
                str(facts["accepted"]),
            )
        found.append(table)
    table = Table("audio", "recordings", "terms inserted", title="False detections only")
    for name, key, count in (
        ("sentences without terms", "sentences_without_terms", "utterances"),
        ("silence, noise, hum, clicks", "without_speech", "recordings"),
    ):
        table.add_row(name, str(figures[key][count]), str(figures[key]["insertions"]))
    return [*found, table]


def main() -> None:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="models/nano")
    arguments.add_argument("--test", type=Path, default=Path("examples/luxury/test_notes.jsonl"))
    arguments.add_argument("--general", type=Path, default=Path("examples/general/test.jsonl"))
    arguments.add_argument("--keywords", type=Path, default=Path("examples/luxury/keywords.csv"))
    arguments.add_argument("--utterances", type=int, default=120)
    arguments.add_argument("--skip", type=int, default=48, help="the first notes, on which the guards were fitted")
    add_output_arguments(arguments)
    options = arguments.parse_args()
    figures = measure(options)
    deliver("biasing", figures, tables(figures), options)


if __name__ == "__main__":
    sys.exit(main())
