"""One utterance under every metric: the analysis for reading, the score for counting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harken.keywords import KeywordMatcher
from harken.loops import find_loop
from harken.metrics.error_rates import (
    ErrorCount,
    ScriptErrors,
    character_errors,
    inserted_characters,
    mixed_errors,
    raw_word_errors,
    word_errors,
)
from harken.metrics.ier import CLASSES, integrated_errors, integrated_units
from harken.metrics.keywords import KeywordAssessment, assess_keywords, keyword_units
from harken.metrics.segmentation import Segmenter
from harken.metrics.units import Assessment, assess
from harken.text import NumberForm, canonicalise, separate

PREFIXES = (
    "cer.", "wer.", "wer_raw.", "mer.", "insertion_rate.", "loop_rate.", "carrier.", "keyword.", "ier.",
)  # fmt: skip


@dataclass(frozen=True)
class UtteranceScore:
    """Counts of one utterance that add up over a corpus; names as in `UtteranceAnalysis.score`."""

    counts: Mapping[str, int]

    def to_row(self) -> dict[str, int]:
        """A flat dict of integers, one column each, for Parquet."""
        return dict(self.counts)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "UtteranceScore":
        """Take the counts out of a row that may have other columns; a null count is 0."""
        return cls({name: int(value or 0) for name, value in row.items() if name.startswith(PREFIXES)})


@dataclass(frozen=True)
class UtteranceAnalysis:
    """Reference and hypothesis as they were compared (normalised), and what was found.

    ``loop`` is what the hypothesis repeats and the reference does not, such as ``装 x 11``. ``integrated`` is, by
    segmenter, the outcome of every unit of the reference.
    """

    reference: str
    hypothesis: str
    characters: ScriptErrors
    words: ScriptErrors
    raw_words: ErrorCount
    mixed: ErrorCount
    inserted: ErrorCount
    loop: str | None
    keywords: KeywordAssessment
    categories: tuple[str, ...]
    integrated: Mapping[str, Assessment]

    def score(self) -> UtteranceScore:
        """The counts.

        ``{cer,wer}.{cn,oth}.{errors,units}``; ``{wer_raw,mer,carrier,insertion_rate}.{errors,units}``;
        ``loop_rate.{errors,units}`` (1 if it loops, of 1);
        ``keyword.<category>.{right,units}`` for every category of the matcher; and for every segmenter
        ``ier.<segmenter>.{units,errors}.{W,C,S}``, ``ier.<segmenter>.{retyped,insertions}``.
        """
        counts: dict[str, int] = {}
        for metric, errors in (("cer", self.characters), ("wer", self.words)):
            for script, count in errors._asdict().items():
                counts |= _pair(f"{metric}.{script}", count)
        counts |= _pair("wer_raw", self.raw_words) | _pair("mer", self.mixed)
        counts |= _pair("insertion_rate", self.inserted)
        counts |= _pair("loop_rate", ErrorCount(int(self.loop is not None), 1))
        counts |= _pair("carrier", self.keywords.carrier)
        for category in self.categories:
            found = [outcome for outcome in self.keywords.outcomes if outcome.unit.category == category]
            counts[f"keyword.{category}.right"] = sum(outcome.right for outcome in found)
            counts[f"keyword.{category}.units"] = len(found)
        for name, assessment in self.integrated.items():
            result = integrated_errors(assessment)
            for kind in CLASSES:
                counts[f"ier.{name}.units.{kind}"] = result.units[kind]
                counts[f"ier.{name}.errors.{kind}"] = result.errors[kind]
            counts[f"ier.{name}.retyped"] = result.retyped
            counts[f"ier.{name}.insertions"] = result.insertions
        return UtteranceScore(counts)


def analyse_utterance(
    reference: str,
    hypothesis: str,
    matcher: KeywordMatcher | None,
    segmenters: Sequence[Segmenter],
    *,
    number_form: NumberForm | None = None,
    fold_accents: bool = False,
) -> UtteranceAnalysis:
    """Normalise, align and assess one pair of raw texts.

    Args:
        matcher: the keywords; None when there are none (then no unit is a keyword).
        segmenters: for the IER; the word error rate always uses jieba.
        number_form, fold_accents: see `harken.text.normalise`. Keywords keep their numerals in both texts.
    """
    spoken, heard = (
        canonicalise(
            text,
            number_form=number_form,
            protect=[(found.start, found.end) for found in matcher.find(text)] if matcher and number_form else (),
            fold_accents=fold_accents,
        )
        for text in (reference, hypothesis)
    )
    (normal_reference, _), (normal_hypothesis, _) = separate(spoken), separate(heard)
    units = keyword_units(spoken, matcher)
    return UtteranceAnalysis(
        reference=normal_reference,
        hypothesis=normal_hypothesis,
        characters=character_errors(normal_reference, normal_hypothesis),
        words=word_errors(normal_reference, normal_hypothesis),
        raw_words=raw_word_errors(spoken, heard),
        mixed=mixed_errors(normal_reference, normal_hypothesis),
        inserted=inserted_characters(normal_reference, normal_hypothesis),
        loop=find_loop(hypothesis, reference),
        keywords=assess_keywords(units, normal_hypothesis),
        categories=tuple(matcher.categories) if matcher else (),
        integrated={
            segmenter.name: assess(integrated_units(units, segmenter), normal_hypothesis) for segmenter in segmenters
        },
    )


def score_utterance(
    reference: str,
    hypothesis: str,
    matcher: KeywordMatcher | None,
    segmenters: Sequence[Segmenter],
    *,
    number_form: NumberForm | None = None,
    fold_accents: bool = False,
) -> UtteranceScore:
    """The counts of one pair of raw texts; arguments as for `analyse_utterance`."""
    return analyse_utterance(
        reference, hypothesis, matcher, segmenters, number_form=number_form, fold_accents=fold_accents
    ).score()


def _pair(name: str, count: ErrorCount) -> dict[str, int]:
    return {f"{name}.errors": count.errors, f"{name}.units": count.units}
