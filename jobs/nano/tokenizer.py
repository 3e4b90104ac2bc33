"""The nano model's own small Whisper tokenizer: byte-level, one token per Chinese character in use, Latin BPE."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence

from transformers import AddedToken, WhisperTokenizer

from jobs.nano.text import TEMPLATE_CHARACTERS, Writer
from jobs.nano.vocabulary import TRANSLITERATION, english_words, mandarin_words

LANGUAGES = ("en", "zh")
TIMESTAMP_STEP = 0.02
PUNCTUATION = "，。！？、：；"


def is_han(character: str) -> bool:
    """Whether a character is in the basic block of Chinese characters."""
    return "\u4e00" <= character <= "\u9fff"


def character_inventory(domain_terms: Iterable[str], size: int) -> list[str]:
    """Chinese characters that get a token of their own.

    All of the general vocabulary, of the transliteration set and of the domain list, then, up to `size`, the most
    frequent characters of jieba's dictionary.
    """
    import jieba

    required = "".join([*mandarin_words(), TRANSLITERATION, TEMPLATE_CHARACTERS])
    inventory = dict.fromkeys(character for character in required if is_han(character))
    inventory.update(dict.fromkeys(sorted({c for term in domain_terms for c in term if is_han(c)})))
    jieba.setLogLevel("ERROR")
    jieba.initialize()
    frequency: dict[str, int] = {}
    for word, count in jieba.dt.FREQ.items():
        for character in word:
            if is_han(character):
                frequency[character] = frequency.get(character, 0) + count
    for character in sorted(frequency, key=lambda c: (-frequency[c], c)):
        if len(inventory) >= size:
            break
        inventory.setdefault(character, None)
    return list(inventory)


def _byte_symbols() -> dict[int, str]:
    """GPT-2's printable stand-in for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + rank) for rank, byte in enumerate(hidden)}


def _latin_merges(writer: Writer, size: int, seed: int) -> list[tuple[str, str]]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    rng = random.Random(seed)
    corpus = [prefix + word for word in english_words() for prefix in (" ", " ", " ", "")]
    corpus += [rng.choice(("", " ")) + writer.pseudo_latin(rng) for _ in range(1500)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges]


def build_tokenizer(
    writer: Writer, characters: Sequence[str], latin_merges: int, window_seconds: float, seed: int = 0
) -> WhisperTokenizer:
    """A `WhisperTokenizer` with Whisper's special tokens and timestamps from 0.00 to `window_seconds`.

    A Chinese character is three bytes, so two merges make it a token; characters outside the inventory stay byte
    tokens and still round-trip.
    """
    symbols = _byte_symbols()
    heads: dict[tuple[str, str], None] = {}
    whole = []
    for character in [*characters, *PUNCTUATION]:
        first, second, third = (symbols[byte] for byte in character.encode())
        heads[(first, second)] = None
        whole.append((first + second, third))
    merges = [*heads, *whole, *_latin_merges(writer, latin_merges, seed)]
    vocabulary = {symbols[byte]: byte for byte in range(256)}
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>")
    special = ["<|startoftranscript|>", *(f"<|{language}|>" for language in LANGUAGES)]
    special += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    tokenizer.add_special_tokens({"extra_special_tokens": special})
    steps = round(window_seconds / TIMESTAMP_STEP)
    tokenizer.add_tokens(
        [AddedToken(f"<|{step * TIMESTAMP_STEP:.2f}|>", normalized=False, special=False) for step in range(steps + 1)]
    )
    tokenizer.set_prefix_tokens(language="zh", task="transcribe")
    return tokenizer
