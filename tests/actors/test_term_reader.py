"""How terms are read: stated readings, pronunciations, acronyms, recordings; and what sounds the same."""

from typing import Any

import pytest

from actors.acronyms import acronym_readings
from actors.entries import EntryDraft, group_entries
from actors.term_reader import TermReader
from harken.records import Row

PRONUNCIATIONS = {"speedy 20": ("speedy 二十", "speedy twenty"), "kelly": ("[[k'Eli]]",)}


def row(term: str, language: str = "zh", **known: Any) -> Row:
    return {"id": term, "term": term, "category": "", "language": language, "spoken": [], "audio": []} | known


def read(*rows: Row) -> list[Row]:
    return TermReader(PRONUNCIATIONS, acronyms=True)(list(rows))


def texts(found: Row) -> list[str]:
    return [reading["text"] for reading in found["readings"]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (row("Speedy20"), ["speedy 二十", "speedy twenty"]),
        (row("kelly bag"), [" [[k'Eli]]  bag"]),
        (row("kelly", spoken=["kel lee"]), ["kel lee"]),
        (row("a [[b]]"), ["a [ [b] ]"]),
        (row("mine", audio=["mine.wav"]), []),
        (row("mine", audio=["mine.wav"], spoken=["my n"]), ["my n"]),
        (row("NASA", "en"), ["en ay ess ay", "nasa"]),
    ],
)
def test_a_term_is_read_as_is_known(given: Row, expected: list[str]) -> None:
    (found,) = read(given)
    assert texts(found) == expected
    assert (found["status"], found["error"]) == ("ok", None)


def test_readings_of_one_sound_are_one() -> None:
    (found,) = read(row("x", spoken=["two", "too", "three"]))
    assert texts(found) == ["two", "three"]


def test_acronyms_are_runs_of_capitals() -> None:
    assert acronym_readings("LVMH", "zh") == ("ell vee em aitch",)
    assert acronym_readings("GG Marmont", "de") == ("G G Marmont",)
    assert acronym_readings("Kelly", "en") == acronym_readings("PRADALE", "en") == acronym_readings("2.55", "en") == ()


def test_homophones_are_one_entry_whatever_the_order() -> None:
    rows = read(row("绣花", category="A"), row("秀花"), row("prada"), row("own", audio=["/o.wav"]))
    forward, backward = group_entries(rows), group_entries(reversed(rows))
    assert {draft.entry.id: draft for draft in forward} == {draft.entry.id: draft for draft in backward}
    assert [draft.texts for draft in forward] == [("秀花", "绣花"), ("prada",), ("own",)]
    assert forward[0].reading == "秀花"
    assert forward[0].entry.spellings[1].category == "A"
    assert (forward[2].reading, forward[2].audio, forward[2].phonemes) == ("", ("/o.wav",), ())


def test_tones_tell_terms_apart() -> None:
    found = group_entries(read(row("买"), row("卖")))
    assert len(found) == 2
    assert len({draft.entry.id for draft in found}) == 2


def test_the_recordings_of_an_entry_do_not_depend_on_the_others() -> None:
    def wanted(draft: EntryDraft) -> list[str]:
        return [asked["id"] for asked in draft.to_speak("mandarin", 2, seed=0)]

    (alone,) = group_entries(read(row("绣花")))
    _, beside = group_entries(read(row("prada"), row("绣花")))
    assert wanted(alone) == wanted(beside)
    assert len(set(wanted(alone))) == 2


def test_an_unknown_language_has_no_phonemes() -> None:
    (found,) = read(row("tlhIngan", "xx"))
    assert found["readings"] == [{"text": "tlhIngan", "phonemes": []}]
