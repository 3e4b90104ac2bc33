"""What the mechanisms and guards of biasing do with detections that are given.

Notes with terms that the embedded model has never seen, spoken by espeak-ng in held-out voices. What a search of the
glossary would detect is given instead: the terms that are said, at the synthesizer's own times with a jitter, alone
and among false ones that sound most like something in the utterance. All detections have one probability, so it
tells nothing. Sentences without terms, silence, noise and clicks get false detections only.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from actors.phonetics import Phonetics, Sounds, distance, join
from actors.tts.espeak import HELD_OUT_VOICES
from benchmarks.biasing.systems import ALL, UNBIASED, compare, difference, interval
from benchmarks.biasing.utterances import Spoken, read_rows, speak, without_speech
from benchmarks.results import say, target
from harken.biasing.biaser import Biaser
from harken.biasing.merge import merge
from harken.biasing.proposals import Proposals
from harken.biasing.settings import MECHANISMS
from harken.config import load_config
from harken.detection import Detection
from harken.keywords import KeywordMatcher, load_keywords
from harken.records import generator
from harken.vad import VoiceActivity
from harken.whisper import load_whisper
from serve.graph_settings import GraphSettings

FALSE_DETECTIONS = 5
# False terms are the nearest in sound of so many that are drawn.
DRAWN = 60
# As a search gives most of what it finds.
PROBABILITY = 0.95
JITTER_SECONDS = 0.05
BATCH = 16
_MOST_UNITS = 6
# Of a length most like the term's.
_PLACES_PER_TERM = 20


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


def insertions(proposals: Sequence[Proposals]) -> int:
    """Terms that came into texts in which none of them was said."""
    return sum(decision.accepted for window in proposals for decision in merge(window).decisions)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    matcher = KeywordMatcher(load_keywords(options.keywords))
    sounds = Phonetics()
    notes = read_rows(options.test, 0, options.utterances)
    general = [row for row in read_rows(options.general) if not matcher.find(row["text"])][: options.utterances // 2]
    say(f"speaking {len(notes)} notes and {len(general)} sentences without terms")
    utterances, sentences = speak(notes, HELD_OUT_VOICES), speak(general, HELD_OUT_VOICES)
    sounds.learn([keyword.term for keyword in matcher.keywords] + [one.text for one in (*utterances, *sentences)])
    oracle = Oracle(matcher, sounds)
    service = load_config(options.config, options.overrides, GraphSettings)
    settings = service.transcriber.biasing.model_copy(update={"terms": 10})
    every = settings.model_copy(update=dict.fromkeys(MECHANISMS, True))
    biaser = Biaser(load_whisper(service.models[service.default_model].folder), sounds, every)
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
    references = [one.text for one in utterances]
    sets = {
        name: compare(references, [[window] for window in proposals], matcher, settings)
        for name, proposals in (("true terms", alone), ("and 5 false ones", among))
    }
    systems = sets["and 5 false ones"]
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
                systems[ALL]["keyword_recall"]["value"] - systems[UNBIASED]["keyword_recall"]["value"], ">=", 0.4
            ),
            "MER difference to the unbiased text, upper bound, among false terms": target(
                systems[ALL]["mer_difference"]["high"], "<=", 0.0
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
            table.add_row(
                system,
                *(interval(facts[metric]) for metric in ("keyword_recall", "mer")),
                f"{facts['cer']['value']:.3f}",
                difference(facts["mer_difference"]),
                str(facts.get("accepted", "–")),
            )
        found.append(table)
    table = Table("audio", "recordings", "terms inserted", title="False detections only")
    for name, key, count in (
        ("sentences without terms", "sentences_without_terms", "utterances"),
        ("silence, noise, hum, clicks", "without_speech", "recordings"),
    ):
        table.add_row(name, str(figures[key][count]), str(figures[key]["insertions"]))
    return [*found, table]
