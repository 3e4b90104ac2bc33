"""The nano tokenizer is a Whisper tokenizer, round-trips any text, and has a token per character in use."""

import pytest
from transformers import WhisperTokenizer

from jobs.nano.corpus import read_domain
from jobs.nano.text import DomainFilter, Writer
from jobs.nano.tokenizer import build_tokenizer, character_inventory
from tests.jobs.nano.conftest import ROOT


@pytest.fixture(scope="module")
def terms() -> list[str]:
    return read_domain(str(ROOT / "examples" / "luxury" / "keywords.csv"))


@pytest.fixture(scope="module")
def tokenizer(terms) -> WhisperTokenizer:
    writer = Writer(DomainFilter(terms), character_inventory(terms, 1200))
    return build_tokenizer(writer, writer.characters, 200, window_seconds=10.0)


@pytest.mark.parametrize(
    "text", ["中年男性，偏好speedy系列。", "the customer likes it.", "没见过的字😀 Ünïcode", "龘", ""]
)
def test_any_text_round_trips(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_every_domain_character_is_one_token(tokenizer, terms):
    for character in {c for term in terms for c in term if not c.isascii() and c.isalpha()}:
        assert len(tokenizer(character, add_special_tokens=False).input_ids) == 1, character


def test_it_has_whispers_special_tokens(tokenizer):
    prefix = tokenizer.convert_ids_to_tokens(tokenizer("你好").input_ids)[:4]
    assert prefix == ["<|startoftranscript|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>"]
    unknown = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    for token in ("<|0.00|>", "<|0.02|>", "<|10.00|>", "<|startofprev|>", "<|nospeech|>", "<|translate|>", "<|en|>"):
        assert tokenizer.convert_tokens_to_ids(token) != unknown, token
    prompt = tokenizer.convert_ids_to_tokens(tokenizer.get_prompt_ids("speedy"))
    assert prompt[0] == "<|startofprev|>"


def test_it_survives_saving(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = WhisperTokenizer.from_pretrained(tmp_path, language="zh", task="transcribe")
    assert len(loaded) == len(tokenizer)
    assert loaded("偏好speedy").input_ids == tokenizer("偏好speedy").input_ids
