"""Word segmentation of Chinese text: jieba, and HanLP when its model folder is given."""

import functools
import importlib.util
import logging
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from harken.errors import HarkenError
from harken.text import is_han, is_word_boundary, join_han, mixed_units

NAMES = ("jieba", "hanlp")


class Segmenter(Protocol):
    """Cuts texts into words; stateless, so that one can be sent to every worker."""

    name: str

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text (no white space inside); joined they give the text again."""
        ...


class JiebaSegmenter:
    """jieba's default dictionary with its hidden Markov model for unknown words."""

    name = "jieba"

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text."""
        cut = _jieba().lcut
        return [_whole_words(cut(text)) for text in texts]


class HanlpSegmenter:
    """A HanLP tokenizer from a local folder.

    Args:
        folder: what HanLP's ``save`` wrote (``config.json``, ``vocabs.json``, ``model.pt``). Put the pretrained
            transformer that its configuration names into ``folder/transformer``: else HanLP looks for it on the hub.

    Raises:
        HarkenError: HanLP is not installed, or the folder is not there or does not load.
    """

    name = "hanlp"

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(Path(folder).absolute())
        if not (Path(self.folder) / "config.json").is_file():
            raise HarkenError("HanLP model folder", str(folder), "It holds no config.json: give a saved tokenizer.")
        if importlib.util.find_spec("hanlp") is None:
            raise HarkenError("segmenter", self.name, "HanLP is not installed: install the extra 'hanlp'.")
        _hanlp(self.folder)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text.

        Raises:
            HarkenError: the model leaves characters out, so that its words are not the text's.
        """
        filled = [text for text in texts if text]
        words = iter(_hanlp(self.folder)(filled) if filled else [])
        segmented = [list(next(words)) if text else [] for text in texts]
        for text, tokens in zip(texts, segmented, strict=True):
            if "".join(tokens) != text:
                raise HarkenError("HanLP model folder", self.folder, f"Its words for {text!r} are {tokens}.")
        return [_whole_words(tokens) for tokens in segmented]


def load_segmenters(names: Sequence[str] = ("jieba",), hanlp_model: str | Path | None = None) -> list[Segmenter]:
    """The segmenters of these names, in this order; never another one instead.

    Raises:
        HarkenError: an unknown or repeated name, ``hanlp`` without ``hanlp_model`` or the reverse, and what
            `HanlpSegmenter` raises.
    """
    segmenters: list[Segmenter] = []
    for name in names:
        if name not in NAMES or names.count(name) > 1:
            raise HarkenError("segmenters", ",".join(names), f"Name each of {', '.join(NAMES)} at most once.")
        if name == "jieba":
            segmenters.append(JiebaSegmenter())
        elif hanlp_model is None:
            raise HarkenError("segmenter", name, "It needs the folder of a HanLP tokenizer (--hanlp-model).")
        else:
            segmenters.append(HanlpSegmenter(hanlp_model))
    if not segmenters:
        raise HarkenError("segmenters", "", f"Name at least one of {', '.join(NAMES)}.")
    if hanlp_model is not None and "hanlp" not in names:
        raise HarkenError("HanLP model folder", str(hanlp_model), "It is not used: add hanlp to the segmenters.")
    return segmenters


def segment_words(normalised: str) -> list[str]:
    """The words of normalised text, for the word error rate (jieba).

    Reference and hypothesis are cut alike: spaces beside Han characters (where punctuation stood) are dropped
    first, and letters are parted from digits. So neither punctuation nor ``speedy20`` for ``speedy 20`` is an
    error, and equal characters of Chinese text give equal words.
    """
    words = []
    for token in (token for cut in JiebaSegmenter().segment(join_han(normalised).split()) for token in cut):
        words += [token] if any(map(is_han, token)) else mixed_units(token)
    return words


def tag_words(text: str) -> list[tuple[str, str]]:
    """The words of Chinese text with jieba's tags, such as n (noun), nr (person), ns (place), v (verb)."""
    return [(pair.word, pair.flag) for pair in _tagger().lcut(text)]


def _whole_words(tokens: Sequence[str]) -> list[str]:
    """Undo cuts inside a word of letters or inside a number (jieba: caf|é)."""
    words: list[str] = []
    for token in tokens:
        if words and (unicodedata.combining(token[0]) or not is_word_boundary(words[-1][-1], token[0])):
            words[-1] += token
        else:
            words.append(token)
    return words


@functools.cache
def _jieba() -> Any:
    with warnings.catch_warnings():
        # Its source has escapes that newer Pythons warn of.
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # Not `initialize()`: it trusts a cache in the shared temporary folder, whoever and whichever version wrote it.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


@functools.cache
def _tagger() -> Any:
    tokenizer = _jieba()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jieba.posseg import POSTokenizer
    return POSTokenizer(tokenizer)


@functools.cache
def _hanlp(folder: str) -> Callable[[list[str]], list[list[str]]]:
    import hanlp

    transformer = Path(folder) / "transformer"
    try:
        tokenizer = hanlp.load(folder, **({"transformer": str(transformer)} if transformer.is_dir() else {}))
    except Exception as failure:  # HanLP raises whatever its parts raise
        remedy = f"HanLP cannot load it ({type(failure).__name__}: {failure})."
        raise HarkenError("HanLP model folder", folder, remedy) from failure
    cut: Callable[[list[str]], list[list[str]]] = tokenizer
    return cut
