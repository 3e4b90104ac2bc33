import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from actors.phoneme_reader import read_phonemes, read_units
from compression.inventory import Cut, Inventory, Term, Utterance
from compression.sampler import NEGATIVES, PairSampler, all_pairs
from harken.keywords import Keyword, find_mentions
from harken.sampler_settings import SamplerSettings

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = {
    "u0": "their tasks are on the desk",
    "u1": "I scream for the task force",
    "u2": "a bear and a flask of beer",
    "u3": "nothing of that kind",
    "u4": "ask for the mask",
    "u5": "put the disk on the desktop",
}
TEXTS = (
    *("task", "tasks", "task force", "mask", "flask", "ask", "desk", "disk", "desktop"),
    *("their", "there", "bear", "beer", "bare", "ice cream", "scream", "force"),
)


def made() -> tuple[list[Utterance], Inventory]:
    keywords = [Keyword(text, "") for text in TEXTS]
    units = dict(zip(SENTENCES, read_units(list(SENTENCES.values()), "en"), strict=True))
    utterances = []
    for name, sentence in SENTENCES.items():
        said = {mention.term for mention in find_mentions(sentence, keywords)}
        held = {keyword.term for keyword in keywords if find_mentions(sentence, [keyword])}
        utterances.append(Utterance(name, frozenset(said), frozenset(held), tuple(units[name])))
    read = read_phonemes(TEXTS, "en")
    terms = [
        Term(
            text,
            read[text],
            tuple(f"tts {text} {voice}" for voice in range(3)) if text != "bear" else (),
            tuple(Cut(f"cut {text} {one.name}", one.name) for one in utterances if text in one.said),
        )
        for text in TEXTS
    ]
    return utterances, Inventory(terms)


UTTERANCES, INVENTORY = made()
BY_NAME = {utterance.name: utterance for utterance in UTTERANCES}
TERM_OF = {
    name: text
    for text, term in INVENTORY.terms.items()
    for name in (*term.synthesized, *(cut.name for cut in term.natural))
}


def only(kind: str, **more) -> SamplerSettings:
    return SamplerSettings(**(dict.fromkeys(NEGATIVES, 0) | {kind: 2} | more))


def drawn(settings: SamplerSettings, epochs: int = 30) -> tuple[dict[str, set[str]], Counter[str]]:
    """The negatives of each utterance over many epochs, and what kinds were made."""
    sampler = PairSampler(UTTERANCES, INVENTORY, settings)
    negatives: dict[str, set[str]] = {name: set() for name in SENTENCES}
    counts: Counter[str] = Counter()
    for epoch in range(epochs):
        for pair in sampler.epoch(epoch):
            if not pair.said:
                negatives[pair.utterance].add(TERM_OF[pair.keyword])
        counts += sampler.made
    return negatives, counts


def test_an_epoch_holds_the_numbers_that_were_asked_for():
    sampler = PairSampler(UTTERANCES, INVENTORY, SamplerSettings())
    pairs = sampler.epoch(0)
    by_utterance = Counter((pair.utterance, pair.said) for pair in pairs)
    # In each of the five that say something; a recording that was drawn twice makes one pair.
    assert all(1 <= by_utterance[name, True] <= 2 for name in SENTENCES if name != "u3")
    assert by_utterance["u3", True] == 0
    assert all(by_utterance[name, False] == 5 for name in SENTENCES)
    assert len(set(pairs)) == len(pairs) == sampler.made.total()
    assert sampler.made["said"] == sum(pair.said for pair in pairs)


def test_labels_are_those_of_the_texts_and_unclear_terms_are_never_negatives():
    sampler = PairSampler(UTTERANCES, INVENTORY, SamplerSettings())
    for epoch in range(30):
        for pair in sampler.epoch(epoch):
            utterance, term = BY_NAME[pair.utterance], TERM_OF[pair.keyword]
            assert pair.said == (term in utterance.said)
            assert pair.said or term not in INVENTORY.unclear(utterance)
    negatives, _ = drawn(SamplerSettings(), epochs=100)
    # Homophones of what was said, terms inside a said one, and what sounds like a run of words.
    assert not negatives["u0"] & {"their", "there", "tasks"}
    assert not negatives["u1"] & {"task", "force", "ice cream", "scream"}
    assert not negatives["u2"] & {"bear", "bare", "flask"}
    # All others are drawn at some time.
    assert negatives["u0"] == set(TEXTS) - {"their", "there", "tasks", "desk"}


def test_no_recording_meets_the_utterance_it_was_cut_from():
    sampler = PairSampler(UTTERANCES, INVENTORY, SamplerSettings(natural_share=1.0))
    cut_from = {cut.name: cut.utterance for term in INVENTORY.terms.values() for cut in term.natural}
    pairs = [pair for epoch in range(30) for pair in sampler.epoch(epoch)]
    assert {pair.keyword for pair in pairs} & cut_from.keys()
    assert not [pair for pair in pairs if cut_from.get(pair.keyword) == pair.utterance]
    # Its only recording was cut from the one utterance that says it: there is no positive pair of it.
    assert {pair.said for pair in pairs if TERM_OF[pair.keyword] == "bear"} == {False}


@pytest.mark.parametrize(("share", "natural"), [(0.0, {"bear"}), (1.0, set.union(*(set(u.said) for u in UTTERANCES)))])
def test_the_share_of_natural_recordings_falls_back_to_the_other_kind(share, natural):
    sampler = PairSampler(UTTERANCES, INVENTORY, SamplerSettings(natural_share=share))
    names = {pair.keyword for epoch in range(30) for pair in sampler.epoch(epoch) if not pair.said}
    assert {TERM_OF[name] for name in names if name.startswith("cut ")} == natural
    assert any(name.startswith("tts ") for name in names)


def test_half_of_the_recordings_are_natural_where_both_kinds_are_there():
    term = Term("a", (), ("tts",), (Cut("cut", "elsewhere"),))
    utterances = [Utterance(f"u{index}", frozenset()) for index in range(400)]
    settings = only("random")
    pairs = PairSampler(utterances, Inventory([term]), settings).epoch(0)
    assert sum(pair.keyword == "cut" for pair in pairs) == pytest.approx(200, abs=50)


def test_neighbours_by_sound_are_a_phoneme_or_two_from_a_said_term():
    negatives, counts = drawn(only("phonemes", phonemes=1, phoneme_distance=1))
    assert (negatives["u4"], negatives["u5"]) == ({"task"}, {"desk"})
    assert counts["phonemes"] >= 30 * 2
    negatives, _ = drawn(only("phonemes", phonemes=1, phoneme_distance=2))
    assert negatives["u4"] == {"task", "tasks", "flask", "desk", "disk"}


def test_containment_takes_what_holds_a_said_term_or_is_held_by_one():
    negatives, counts = drawn(only("containment"))
    assert negatives["u0"] == {"task", "desktop"}
    assert negatives["u4"] == {"task", "flask"}
    assert "desk" in negatives["u5"]
    assert counts["containment"] >= 30 * 5


def test_what_takes_the_place_of_a_kind_is_counted():
    _, counts = drawn(only("containment"))
    assert sum(count for kind, count in counts.items() if kind.endswith("containment")) == 30 * 2 * len(UTTERANCES)
    # Nothing was said in u3: only terms drawn from all can stand in.
    assert counts["random for containment"] >= 30 * 2
    utterances = [Utterance("u", frozenset({"a"}))]
    sampler = PairSampler(utterances, Inventory([Term("a", (), ("tts",))]), only("prefix"))
    assert [pair.said for pair in sampler.epoch(0)] == [True]
    assert sampler.made == {"said": 1, "nothing for prefix": 2}


def test_epochs_differ_and_repeat_whatever_was_asked_before():
    sampler, other = (PairSampler(UTTERANCES, INVENTORY, SamplerSettings()) for _ in range(2))
    first, second = sampler.epoch(0), sampler.epoch(1)
    assert first != second
    assert other.epoch(1) == second
    assert sampler.epoch(0) == first
    assert PairSampler(UTTERANCES, INVENTORY, SamplerSettings(seed=1)).epoch(0) != first
    # An utterance's pairs do not depend on the others.
    assert PairSampler(UTTERANCES[4:], INVENTORY, SamplerSettings()).epoch(0) == [
        pair for pair in first if pair.utterance in ("u4", "u5")
    ]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_of_sets_in_a_process_has_no_influence(seed):
    program = (
        "from tests.compression.test_sampler import *\n"
        "print(PairSampler(UTTERANCES, INVENTORY, SamplerSettings()).epoch(3), all_pairs(UTTERANCES, INVENTORY))"
    )
    command, environment = [sys.executable, "-c", program], {"PYTHONHASHSEED": seed}
    printed = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    sampler = PairSampler(UTTERANCES, INVENTORY, SamplerSettings())
    assert printed.stdout.strip() == f"{sampler.epoch(3)} {all_pairs(UTTERANCES, INVENTORY)}"


def test_all_pairs_are_every_utterance_with_every_clear_term():
    pairs, terms = all_pairs(UTTERANCES, INVENTORY)
    found = {(pair.utterance, term): pair for pair, term in zip(pairs, terms, strict=True)}
    assert len(found) == len(pairs)
    for utterance in UTTERANCES:
        unclear = INVENTORY.unclear(utterance) - utterance.said
        for text in TEXTS:
            # The only recording of "bear" is a cut from u2.
            judged = text not in unclear and (text, utterance.name) != ("bear", "u2")
            assert ((utterance.name, text) in found) == judged
            if judged:
                assert found[utterance.name, text].said == (text in utterance.said)
    assert ("u0", "there") not in found
    assert ("u1", "task") not in found
    assert not found["u0", "task"].said


def test_a_judged_term_keeps_its_recording():
    pairs, terms = all_pairs(UTTERANCES, INVENTORY)
    assert len({(pair.keyword, term) for pair, term in zip(pairs, terms, strict=True)}) == len(TEXTS)
    natural, terms = all_pairs(UTTERANCES, INVENTORY, natural=True)
    recordings = {(pair.utterance, text): pair.keyword for pair, text in zip(natural, terms, strict=True)}
    assert recordings["u5", "desk"] == "cut desk u0"
    assert recordings["u0", "desk"].startswith("tts desk")
    assert all_pairs(UTTERANCES, INVENTORY, seed=1) != (pairs, terms)
