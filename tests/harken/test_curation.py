"""Curation: what is flagged, what is kept out, and what the user may say against it."""

from pathlib import Path

from harken.curation import Candidate, curate
from harken.glossary_settings import CurationSettings


def flags(settings: CurationSettings, *candidates: Candidate) -> list[tuple[str, ...]]:
    return curate(candidates, settings).flags


def test_common_words_are_blocked_unless_they_are_allowed(tmp_path: Path) -> None:
    common, allowed = tmp_path / "common.txt", tmp_path / "allowed.txt"
    common.write_text("Thursday\n", encoding="utf-8")
    allowed.write_text("上海\n", encoding="utf-8")
    settings = CurationSettings(most_common=2000, common_words=common, allowed=allowed)
    found = flags(settings, *(Candidate((term,)) for term in ("我们", "我們", "上海", "thursday", "铂金包")))
    assert found == [("common", "blocked"), ("common", "blocked"), ("common",), ("common", "blocked"), ()]


def test_an_entry_is_common_if_any_of_its_spellings_is() -> None:
    settings = CurationSettings(most_common=2000)
    assert flags(settings, Candidate(("沃们", "我们"), tuple("abcd"))) == [("homophones", "common", "blocked")]
    assert flags(CurationSettings(most_common=0), Candidate(("我们",))) == [()]


def test_short_and_contained_terms_are_flagged() -> None:
    settings = CurationSettings(most_common=0, least_phonemes=4)
    candidates = [
        Candidate(("tasks",), ("t", "aa", "s", "k", "s")),
        Candidate(("task",), ("t", "aa", "s", "k")),
        Candidate(("ask",), ("aa", "s", "k")),
        Candidate(("multitasks",), ("m", "V", "l", "t", "i", "t", "aa", "s", "k", "s")),
        Candidate(("recorded",)),
    ]
    found = curate(candidates, settings)
    assert found.flags == [("contains", "contained"), ("contained",), ("short",), ("contains",), ()]
    # Of the terms inside, the longest.
    assert found.contained == [(0, 1), (3, 0)]
