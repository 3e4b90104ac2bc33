"""Edit-distance error rates: CER, WER and MER, as counts of one utterance that add up over a corpus.

A rate is errors (substitutions, deletions, insertions) over reference units; summed over utterances before
dividing. It can exceed 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

from harken.alignment import align, edit_distance
from harken.metrics.segmentation import segment_words
from harken.text import bare, characters, delete_punctuation, mixed_units, script


class ErrorCount(NamedTuple):
    """Errors and reference units."""

    errors: int
    units: int


class ScriptErrors(NamedTuple):
    """Errors and reference units by script: Han (``cn``) and everything else (``oth``).

    Both come from one minimal alignment: a substitution or deletion belongs to the script of the reference unit,
    an insertion to the script of the inserted one. Hence always errors = errors_cn + errors_oth, that is
    N * CER = N_cn * CER_cn + N_oth * CER_oth.
    """

    cn: ErrorCount
    oth: ErrorCount


def character_errors(reference: str, hypothesis: str) -> ScriptErrors:
    """Character errors of two normalised texts; spaces do not count."""
    return script_errors(characters(reference), characters(hypothesis))


def inserted_characters(reference: str, hypothesis: str) -> ErrorCount:
    """Characters heard that were not said, in the alignment of `character_errors`, over reference characters.

    A model that loops or invents words shows here, while the error rate does not tell them from misheard ones.
    """
    units = characters(reference), characters(hypothesis)
    scripts = [[script(unit) for unit in text] for text in units]
    inserted = sum(operation.kind == "insert" for operation in align(*units, classes=(scripts[0], scripts[1])))
    return ErrorCount(inserted, len(units[0]))


def word_errors(reference: str, hypothesis: str) -> ScriptErrors:
    """Word errors of two normalised texts, both cut by jieba; a word with any Han character is ``cn``."""
    return script_errors(segment_words(reference), segment_words(hypothesis))


def raw_word_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Errors of white-space tokens of two canonical texts, punctuation deleted.

    Chinese is not segmented, so a clause is one word: kept only to compare with figures reported that way.
    """
    words = delete_punctuation(reference).split()
    return ErrorCount(edit_distance(words, delete_punctuation(hypothesis).split()), len(words))


def mixed_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Errors of two normalised texts in Han characters, numbers and words of other letters (MER)."""
    units = mixed_units(reference)
    return ErrorCount(edit_distance(units, mixed_units(hypothesis)), len(units))


def script_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> ScriptErrors:
    """Errors of two sequences of characters or words, by script."""
    scripts = [script(unit) for unit in reference], [script(unit) for unit in hypothesis]
    units = {"cn": 0, "oth": 0}
    errors = {"cn": 0, "oth": 0}
    for name in scripts[0]:
        units[name] += 1
    for operation in align(reference, hypothesis, classes=scripts):
        if operation.kind == "insert":
            errors[scripts[1][operation.hypothesis]] += 1
        elif operation.kind != "match":
            errors[scripts[0][operation.reference]] += 1
    return ScriptErrors(ErrorCount(errors["cn"], units["cn"]), ErrorCount(errors["oth"], units["oth"]))


def character_error_rate(reference: str, hypothesis: str) -> float | None:
    """CER of one pair of raw texts under `normalise`'s defaults; None when the reference has no character.

    Example:
        >>> character_error_rate("上海人，喜欢老花", "上海人喜老化")
        0.2857142857142857
    """
    spoken, heard = bare(reference), bare(hypothesis)
    return edit_distance(spoken, heard) / len(spoken) if spoken else None
