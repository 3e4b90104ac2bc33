"""AISHELL-1: read Mandarin, 178 hours, 400 speakers (Bu et al. 2017; Apache 2.0).

Layout of ``data_aishell.tgz`` at openslr.org/33, whose archives of single speakers in ``wav`` are unpacked there:

    data_aishell/transcript/aishell_transcript_v0.8.txt                  BAC009S0764W0121 甚至 出现 交易 ...
    data_aishell/wav/{train,dev,test}/S0764/BAC009S0764W0121.wav

The evaluation with hotwords ("Massive Open-Vocabulary Keyword Spotting", section 3.1.2) uses parts of dev and test
published with SeACo-Paraformer (Shi et al. 2023, arXiv 2308.03266; github.com/R1ckShi/SeACo-Paraformer, ``data``):
``uttid`` lists 1,334 and 808 utterances, ``hotword.txt`` 600 and 400 terms, one a line. They are `load_corpus`'s
``only`` and the inventory's ``given``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from harken.corpora.corpus import Transcript, TranscriptSource, first_folder, single_language, text_lines
from harken.errors import HarkenError
from harken.text import join_han

LANGUAGE = "zh"
_SPEAKER = re.compile(r"S\d{4}")


def aishell_sources(folder: Path, split: str, languages: Sequence[str]) -> list[TranscriptSource]:
    """The transcripts of a split's speakers, in ``data_aishell`` or the folder that holds it.

    Their words are joined again: they are spaced as a segmenter cut them, not as one writes Chinese.

    Raises:
        HarkenError: another language, or no folder of that split or of any speaker in it.
    """
    single_language("AISHELL-1", LANGUAGE, languages)
    homes = [folder, folder / "data_aishell"]
    wav = first_folder("AISHELL-1 split", [home / "wav" / split for home in homes], "unpack wav/*.tar.gz in wav.")
    speakers = frozenset(path.name for path in wav.iterdir() if path.is_dir())
    if not speakers:
        raise HarkenError("AISHELL-1 split", str(wav), "It holds no folder of a speaker: unpack wav/*.tar.gz in wav.")
    return [partial(_transcripts, wav, speakers)]


def _transcripts(wav: Path, speakers: frozenset[str]) -> Iterator[Transcript]:
    path = wav.parent.parent / "transcript" / "aishell_transcript_v0.8.txt"
    for number, line in text_lines(path, "AISHELL-1 transcripts"):
        identity, _, words = line.partition(" ")
        speaker = _SPEAKER.search(identity)
        if speaker is None or not words.strip():
            raise HarkenError(f"{path}, line {number}", line[:80], "Write it as BAC009S<speaker>W<number> words.")
        if speaker[0] in speakers:
            text = join_han(unicodedata.normalize("NFKC", " ".join(words.split())))
            yield Transcript(identity, text, LANGUAGE, (wav / speaker[0] / f"{identity}.wav",))
