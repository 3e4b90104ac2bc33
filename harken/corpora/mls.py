"""Multilingual LibriSpeech: audiobooks in eight languages (Pratap et al. 2020, arXiv 2012.03411; CC BY 4.0).

Layout of the archives ``mls_<language>.tar.gz`` (FLAC) and ``mls_<language>_opus.tar.gz`` at openslr.org/94:

    mls_<language>[_opus]/{train,dev,test}/transcripts.txt               <speaker>_<book>_<segment> TAB text
    mls_<language>[_opus]/{train,dev,test}/audio/<speaker>/<book>/<id>.{flac,opus}

The transcripts are lower case without punctuation; no speaker is in two splits. Hours of train and dev (the MLS
paper): en 44,660 and 15.8, de 1,967 and 14.3, fr 1,077 and 10.1, es 918 and 10.0, pt 161 and 3.6, pl 104 and 2.1.

The recipe of "Massive Open-Vocabulary Keyword Spotting", section 3.1, and of the data published with it
(github.com/Priberam/Enhance-CB-Whisper, datasets/mls):

- Download and unpack the archives of en fr de pl pt es into one folder: the OPUS ones, as there; FLAC works as well.
- Training: split train, about 6,000 utterances of each language (``limit: 6000``; the published ``uttid`` lists, as
  ``only``, give the very ones), 12,000 terms of each language. The paper says nouns and proper nouns by spaCy; the
  published lists hold function words too. Here: criterion frequency, which needs no tagger for any language.
- Every term is heard in synthesized and in natural speech, cut from utterances, by an even coin.
- Validation: split dev, an inventory of its own. In validation and evaluation terms are synthesized only, as no
  speech of a new glossary's terms is at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harken.corpora.corpus import Transcript, TranscriptSource, first_folder, text_lines
from harken.errors import HarkenError

LANGUAGES = {
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "nl": "dutch",
    "pl": "polish",
    "pt": "portuguese",
}
"""ISO 639-1 codes of the corpus's languages and their names in its folders."""


def mls_sources(folder: Path, split: str, languages: Sequence[str]) -> list[TranscriptSource]:
    """The transcripts of each language (none named: of all that are there) in the folder above ``mls_*``.

    Raises:
        HarkenError: a language that is not in the corpus or not in the folder.
    """
    for code in languages:
        if code not in LANGUAGES:
            raise HarkenError("MLS language", code, f"Use {', '.join(LANGUAGES)}.")
    present = [code for code in LANGUAGES if any(map(Path.is_dir, _candidates(folder, code)))]
    if not languages and not present:
        remedy = "It holds no folder mls_<language> or mls_<language>_opus: unpack OpenSLR 94 there."
        raise HarkenError("MLS folder", str(folder), remedy)
    sources: list[TranscriptSource] = []
    for code in languages or present:
        home = first_folder(f"MLS folder of {code}", _candidates(folder, code), "unpack OpenSLR 94 there.")
        sources.append(partial(_transcripts, home / split, code))
    return sources


def _candidates(folder: Path, code: str) -> tuple[Path, Path]:
    return folder / f"mls_{LANGUAGES[code]}", folder / f"mls_{LANGUAGES[code]}_opus"


def _transcripts(folder: Path, language: str) -> Iterator[Transcript]:
    path = folder / "transcripts.txt"
    for number, line in text_lines(path, "MLS transcripts"):
        identity, _, text = line.partition("\t")
        parts = identity.split("_")
        if len(parts) != 3 or not text.strip():
            raise HarkenError(f"{path}, line {number}", line[:80], "Write it as <speaker>_<book>_<segment> TAB text.")
        stem = folder / "audio" / parts[0] / parts[1] / identity
        yield Transcript(identity, text.strip(), language, (Path(f"{stem}.flac"), Path(f"{stem}.opus")))
