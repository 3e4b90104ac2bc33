"""The ACL 60/60 evaluation sets: ACL 2022 talks in English (Salesky et al. 2023, aclanthology.org/2023.iwslt-1.2).

Layout of that page's data set, whose README names the folders; the names of the files are those that published code
reads (github.com/Priberam/Enhance-CB-Whisper, github.com/pe-trik/iwslt25-baselines):

    2/acl_6060/{dev,eval}/segmented_wavs/gold/sent_<number>.wav           a sentence, numbered from 1
    2/acl_6060/{dev,eval}/text/txt/ACL.6060.<split>.en-xx.en.txt          line <number> is its transcript
    2/acl_6060/{dev,eval}/text/tagged_terminology/ACL.6060.<split>.tagged.en-xx.en.txt   terms in [brackets]

``segmented_wavs/shas`` is cut elsewhere than between sentences, so it has no transcripts and is not read. Where
``gold`` is missing the sentences may stand in ``segmented_wavs`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harken.corpora.corpus import Transcript, TranscriptSource, first_folder, single_language, text_lines
from harken.errors import HarkenError

LANGUAGE = "en"
SPLITS = ("dev", "eval")
_TERM = re.compile(r"\[([^\[\]]+)\]")


def acl6060_sources(folder: Path, split: str, languages: Sequence[str]) -> list[TranscriptSource]:
    """The sentences of a split in ``acl_6060`` or a folder above it; their ids are ``dev-sent_0001``, ...

    Raises:
        HarkenError: another language or split, no such folder, or more recordings than lines.
    """
    single_language("ACL 60/60", LANGUAGE, languages)
    if split not in SPLITS:
        raise HarkenError("ACL 60/60 split", split, f"Use {' or '.join(SPLITS)}.")
    homes = [folder / inside / split for inside in ("", "acl_6060", "2/acl_6060")]
    return [partial(_transcripts, first_folder("ACL 60/60 split", homes, "unpack 2023.iwslt-1.2.dataset.zip."), split)]


def tagged_terms(path: Path) -> list[str]:
    """The terms marked in a text of ``tagged_terminology``, each spelling once, in order.

    Raises:
        HarkenError: the file is missing, or marks none.
    """
    lines = text_lines(path, "tagged terminology")
    terms = dict.fromkeys(term.strip() for _, line in lines for term in _TERM.findall(line) if term.strip())
    if not terms:
        raise HarkenError("tagged terminology", str(path), "It marks no [term]: give a file of tagged_terminology.")
    return list(terms)


def _transcripts(home: Path, split: str) -> Iterator[Transcript]:
    path = home / "text" / "txt" / f"ACL.6060.{split}.en-xx.en.txt"
    lines = list(text_lines(path, "ACL 60/60 transcripts"))
    wavs = home / "segmented_wavs"
    folders = [wavs / "gold", wavs]
    recordings = max(len(list(place.glob("sent_*.wav"))) for place in folders)
    # They belong together by number alone: one line too few, or a blank one, and every text is another's.
    if recordings > len(lines) or (lines and lines[-1][0] != len(lines)):
        remedy = f"{recordings} recordings, {len(lines)} lines that are not blank: unpack both from one release."
        raise HarkenError("ACL 60/60 transcripts", str(path), remedy)
    for number, text in lines:
        audio = tuple(place / f"sent_{number}.wav" for place in folders)
        yield Transcript(f"{split}-sent_{number:04d}", text, LANGUAGE, audio)
