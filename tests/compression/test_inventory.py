import pytest

from actors.phoneme_reader import read_phonemes, read_units
from compression.inventory import Inventory, Term, Utterance
from harken.errors import HarkenError

TEXTS = ("task", "tasks", "ask", "their", "there", "ice cream", "scream", "desk")


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    read = read_phonemes(TEXTS, "en")
    return Inventory(Term(text, read[text]) for text in TEXTS)


def utterance(text: str, said: set[str], held: set[str] = frozenset()) -> Utterance:
    (units,) = read_units([text], "en")
    return Utterance("u", frozenset(said), frozenset(held), tuple(units))


def test_a_homophone_of_a_said_term_is_unclear(inventory):
    assert inventory.unclear(Utterance("u", frozenset({"their"}))) == {"their", "there"}


def test_runs_of_whole_units_count_and_parts_of_units_do_not(inventory):
    """'Ask' sounds inside 'tasks', and 'task' does: but no word that was said ends there."""
    assert inventory.unclear(utterance("at their desk I scream", {"desk"})) == {
        "desk",
        "their",
        "there",
        "ice cream",
        "scream",
    }
    assert inventory.unclear(utterance("the tasks", {"tasks"})) == {"tasks"}


def test_what_the_text_holds_is_unclear(inventory):
    assert inventory.unclear(Utterance("u", frozenset({"tasks"}), frozenset({"task"}))) == {"task", "tasks"}


def test_terms_without_phonemes_are_not_alike():
    silent = Inventory([Term("a"), Term("b")])
    assert silent.unclear(Utterance("u", frozenset({"a"}), units=((), ()))) == {"a"}


def test_a_term_twice_and_a_said_term_that_is_unknown_are_named(inventory):
    with pytest.raises(HarkenError, match=r"term: 'task'. It is in the inventory twice"):
        Inventory([Term("task"), Term("task")])
    with pytest.raises(HarkenError, match=r"term said in u: 'mask'. The inventory lacks it"):
        inventory.unclear(Utterance("u", frozenset({"mask"})))
