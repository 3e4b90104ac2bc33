import pytest

from harken.biasing.prompt import prompt_tokens
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.whisper import Whisper, load_whisper
from tests.tiny_whisper import POSITIONS, save_tiny_whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return load_whisper(str(save_tiny_whisper(tmp_path_factory.mktemp("tiny"))), device="cpu")


def detections(**terms: float) -> list[Detection]:
    return [Detection(term, 0.0, 1.0, probability) for term, probability in terms.items()]


def written(whisper: Whisper, tokens: list[int]) -> str:
    text: str = whisper.processor.tokenizer.decode(tokens)
    return text


def test_terms_stand_best_first_behind_the_token_of_what_was_said_before(whisper):
    tokens = prompt_tokens(whisper, detections(lv=0.5, ami=0.9), BiasingSettings())
    assert written(whisper, tokens) == "<|startofprev|> (ami lv)"


def test_the_spoken_form_is_the_papers_sentence(whisper):
    settings = BiasingSettings(prompt_style="spoken", prompt_tokens=200)
    tokens = prompt_tokens(whisper, detections(lv=0.5), settings)
    # It has more tokens than half of this decoder's positions: better no prompt than a torn one.
    assert tokens == []
    whisper.model.config.max_target_positions = 448
    try:
        tokens = prompt_tokens(whisper, detections(lv=0.5, ami=0.9), settings)
    finally:
        whisper.model.config.max_target_positions = POSITIONS
    said = "The topic of today's speech is, ah, ami, lv. Okay, then I'll continue."
    assert written(whisper, tokens) == f"<|startofprev|> {said}"


@pytest.mark.parametrize("most", [3, 9, 14, 100])
def test_the_budget_holds_and_costs_the_least_probable_terms(whisper, most):
    terms = detections(chanel=0.9, ami=0.5, prada=0.7, hermes=0.8, gucci=0.6)
    tokens = prompt_tokens(whisper, terms, BiasingSettings(prompt_tokens=most))
    assert len(tokens) <= min(most, POSITIONS // 2)
    ranked = ["chanel", "hermes", "prada", "gucci", "ami"]
    shown = written(whisper, tokens).removeprefix("<|startofprev|> (").removesuffix(")").split()
    assert shown == ranked[: len(shown)]


def test_no_terms_no_prompt(whisper):
    assert prompt_tokens(whisper, [], BiasingSettings()) == []


def test_what_was_said_before_stands_before_the_terms_and_makes_way_for_them(whisper):
    before = "abcdefgh" * 20
    settings = BiasingSettings(prompt_tokens=8)
    alone = prompt_tokens(whisper, [], settings, before)
    assert len(alone) == POSITIONS // 2
    assert (" " + before).endswith(written(whisper, alone[1:]))
    both = prompt_tokens(whisper, detections(ami=0.9), settings, before)
    assert len(both) == POSITIONS // 2
    assert written(whisper, both).endswith(before[-10:] + " (ami)")
    assert prompt_tokens(whisper, detections(ami=0.9), settings, " \n") == prompt_tokens(
        whisper, detections(ami=0.9), settings
    )
    assert written(whisper, prompt_tokens(whisper, [], settings, "ab")) == "<|startofprev|> ab"


def test_no_term_becomes_a_special_token(whisper):
    special = set(whisper.processor.tokenizer.get_added_vocab().values())
    tokens = prompt_tokens(whisper, [Detection("a<|endoftext|>b", 0.0, 1.0, 0.5)], BiasingSettings())
    assert tokens[0] == whisper.previous_token
    assert not special & set(tokens[1:])
