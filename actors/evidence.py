"""What a hypothesis tells about a take: was the text around the keywords said, was every keyword, to the end?

An un-tuned recogniser mishears the very terms it is to be taught, so a keyword is not asked to be right. Whether it
was said at all is a comparison of two explanations of what was heard, the sentence with the keyword and without.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from actors.phonetics import Phonetics, SoundAlignment, Sounds, distance, join, weight
from actors.pronunciation import Pronouncer
from harken.keywords import Keyword, KeywordMatcher
from harken.loops import find_repeats, runs_away
from harken.metrics.error_rates import character_error_rate
from harken.metrics.keywords import assess_keywords, keyword_units
from harken.records import Row
from harken.text import bare, canonicalise, mixed_units, normalise

# Unrelated words are seldom nearer (1% of pairs of terms are nearer than 0.41); what is heard of a term mostly is.
SOUNDS_ALIKE = 0.5
# What a shorter duration than usual adds to the evidence that a keyword is missing, of at most 1.
_PACE_ON_KEYWORD = 0.4
# Fewer sounds than this at the end are swallowed by decoders and mean nothing.
_SWALLOWED = 2.0
# Stand for keywords in the carrier, each another, so that 喜欢_喜欢_ is no loop.
_PLACEHOLDERS = 0xE000


@dataclass(frozen=True)
class Said:
    """What a row should say: its sounds, and for each keyword (term, category, first sound, end)."""

    text: str
    sounds: Sounds
    keywords: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True)
class KeywordEvidence:
    """One keyword and what was heard in its place.

    Attributes:
        distance: how far the two sound from each other, 0 to 1.
        missing: evidence that the keyword was not said. Below 0: something as long was heard in its place. 1: nothing
            was, and up to 1.4 when the speech is shorter than usual by as much as the keyword.
    """

    term: str
    category: str
    heard: str
    distance: float
    missing: float


@dataclass(frozen=True)
class Evidence:
    """What one hypothesis tells.

    Attributes:
        cer: of the whole sentence.
        carrier_cer: of everything but the keywords: keyword spans are masked by alignment on both sides.
        cut_off: evidence that the speech stops before the text: the share of its sounds that is missing at the end,
            plus the share that there was no time for at the usual pace. 0 when nothing is missing at the end.
        loop: the loop or the runaway that was heard outside of keywords.
    """

    cer: float
    carrier_cer: float
    keywords: tuple[KeywordEvidence, ...]
    cut_off: float
    loop: str | None


class Examiner:
    """Compares hypotheses with labels.

    Args:
        keywords: the terms whose spans are judged apart.
        pronunciations: term -> how voices are told to read it; of several readings the row's own counts.
        language: espeak-ng's code of the language the texts are read in; None compares no sounds, only characters.

    Raises:
        HarkenError: a language espeak-ng does not know.
    """

    def __init__(
        self, keywords: Sequence[Keyword], pronunciations: Mapping[str, Sequence[str]], language: str | None = "cmn"
    ) -> None:
        self.matcher = KeywordMatcher(keywords)
        self.pronouncer = Pronouncer(pronunciations)
        self.phonetics = Phonetics(language) if language else None
        self.learn(reading for readings in pronunciations.values() for reading in readings)

    def learn(self, texts: Iterable[str]) -> None:
        """Make ready for many labels and hypotheses at once; only faster than meeting them one by one."""
        if self.phonetics:
            self.phonetics.learn(texts)

    def said(self, identity: str, text: str) -> Said:
        """What row `identity` should say; nothing without phonetics."""
        if self.phonetics is None:
            return Said(text, join(()), ())
        parts: list[Sounds] = []
        keywords: list[tuple[str, str, int, int]] = []
        position = length = 0
        for mention in self.matcher.find(text):
            before = self.phonetics.joined(text[position : mention.start])
            spoken = self.pronouncer.respell(text[mention.start : mention.end], identity)
            term = self.phonetics.joined(spoken)
            start = length + len(before)
            length = start + len(term)
            keywords.append((mention.term, mention.category, start, length))
            parts += [before, term]
            position = mention.end
        parts.append(self.phonetics.joined(text[position:]))
        return Said(text, join(parts), tuple(keywords))

    def examine(self, said: Said, hypothesis: str, unsaid: float = 0.0) -> Evidence:
        """Compare what should be said with what one recogniser heard.

        Args:
            unsaid: share of the text that there was no time for at the usual pace (below 0: time to spare).
        """
        cer = character_error_rate(said.text, hypothesis)
        units = self._units(hypothesis)
        heard = join(sounds for _, sounds in units)
        alignment = SoundAlignment(said.sounds, heard)
        whole = alignment.weight()
        owners = [index for index, (_, sounds) in enumerate(units) for _ in sounds]
        keywords: list[KeywordEvidence] = []
        in_keyword: dict[int, int] = {}
        for number, (term, category, start, stop) in enumerate(said.keywords):
            begin, end = alignment.span(start, stop)
            covered = _covered(owners, begin, end)
            in_keyword |= dict.fromkeys(covered, number)
            keywords.append(
                KeywordEvidence(
                    term,
                    category,
                    " ".join(units[index][0] for index in covered),
                    distance(said.sounds[start:stop], heard[begin:end]),
                    _missing(alignment, start, stop, unsaid * whole),
                )
            )
        shortened = alignment.gain_cut_off()
        return Evidence(
            cer=cer if cer is not None else 0.0,
            carrier_cer=self._carrier_cer(said.text, hypothesis),
            keywords=tuple(keywords),
            cut_off=shortened / whole + unsaid if shortened > _SWALLOWED else 0.0,
            loop=self._loop(said.text, hypothesis, [unit for unit, _ in units], in_keyword),
        )

    def typical_pace(self, rows: Iterable[Row]) -> float | None:
        """The median of what rows of speech say a second at rate 1; None without rows. See `pace_of`."""
        rows = list(rows)
        self.learn(row["text"] for row in rows)
        paces = [self.pace_of(self.said(row["id"], row["text"]), row) for row in rows]
        return median(pace for pace in paces if pace) if any(paces) else None

    def pace_of(self, said: Said, row: Row) -> float | None:
        """Weight of the sounds a row says a second, taken back to rate 1; None without a duration."""
        if not row["duration"]:
            return None
        rate = json.loads(row.get("style") or "{}").get("rate", 1.0)
        return weight(said.sounds) / float(row["duration"] * rate)

    def _units(self, text: str) -> list[tuple[str, Sounds]]:
        if self.phonetics is None:
            return [(unit, join(())) for unit in mixed_units(normalise(text))]
        return self.phonetics.sounds(text)

    def _carrier_cer(self, text: str, hypothesis: str) -> float:
        carrier = assess_keywords(keyword_units(canonicalise(text), self.matcher), normalise(hypothesis)).carrier
        return carrier.errors / carrier.units if carrier.units else 0.0

    def _loop(self, text: str, hypothesis: str, units: Sequence[str], in_keyword: Mapping[int, int]) -> str | None:
        carrier: list[str] = []
        for index, unit in enumerate(units):
            piece = chr(_PLACEHOLDERS + in_keyword[index]) if index in in_keyword else unit
            if index not in in_keyword or carrier[-1:] != [piece]:
                carrier.append(piece)
        return find_repeats("".join(carrier), bare(text)) or runs_away(hypothesis, text)


def _missing(alignment: SoundAlignment, start: int, stop: int, unsaid: float) -> float:
    all_of_it = alignment.weight(start, stop)
    if not all_of_it:
        return 0.0
    no_time_for_it = float(np.clip(unsaid / all_of_it, -1.0, 1.0))
    return alignment.gain_without(start, stop) / all_of_it + _PACE_ON_KEYWORD * no_time_for_it


def _covered(owners: Sequence[int], begin: int, end: int) -> list[int]:
    """The units of which the span holds at least half the sounds, or two: a loop inside a word belongs to the word."""
    inside = Counter(owners[begin:end])
    return [owner for owner, count in inside.items() if count >= min(2, owners.count(owner) / 2)]
