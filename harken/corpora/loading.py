"""Reads a corpus of any known layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from harken.corpora.acl6060 import acl6060_sources
from harken.corpora.aishell import aishell_sources
from harken.corpora.corpus import Corpus, Transcript, TranscriptSource, assemble, text_lines
from harken.corpora.mls import mls_sources
from harken.errors import HarkenError
from harken.records import Row, read_manifest

Layout = Literal["manifest", "mls", "aishell", "acl6060"]


def load_corpus(
    layout: Layout,
    path: Path,
    *,
    split: str = "train",
    languages: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    only: Path | None = None,
) -> Corpus:
    """The utterances of a corpus: see the modules `mls`, `aishell` and `acl6060` for the layouts of its folder.

    Args:
        path: the corpus's folder, or for 'manifest' a JSONL file of ``{"id", "text"[, "audio"][, "language"]}``,
            whose relative audio paths are taken from its folder.
        split: as the corpus calls it; a manifest has none.
        languages: ISO 639-1 codes to read; none named: all. A manifest's rows may lack a language if one is named.
        limit: the most utterances of one language, drawn uniformly by ``seed`` and id.
        only: a file whose lines begin with the ids to keep, such as a published list of utterances.

    Raises:
        HarkenError: what was looked for is missing or damaged, nothing remains, or an id stands there twice.
    """
    ids = None if only is None else {line.split()[0] for _, line in text_lines(only, "utterance list")}
    return assemble(path, _SOURCES[layout](path, split, languages), limit, seed, ids)


def _manifest_sources(path: Path, _split: str, languages: Sequence[str]) -> list[TranscriptSource]:
    transcripts: dict[str, list[Transcript]] = defaultdict(list)
    for row in read_manifest(path):
        language = row.get("language") or (languages[0] if len(languages) == 1 else None)
        if not isinstance(language, str):
            remedy = "It has no language: give the row one, or name the manifest's only language in the settings."
            raise HarkenError(f"{path}, row", row["id"], remedy)
        if not languages or language in languages:
            transcripts[language].append(Transcript(row["id"], row["text"], language, _audio(path, row)))
    return [partial(list, spoken) for spoken in transcripts.values()]


def _audio(path: Path, row: Row) -> tuple[Path, ...]:
    return (path.parent / row["audio"],) if row.get("audio") else ()


_SOURCES: dict[Layout, Callable[[Path, str, Sequence[str]], list[TranscriptSource]]] = {
    "manifest": _manifest_sources,
    "mls": mls_sources,
    "aishell": aishell_sources,
    "acl6060": acl6060_sources,
}
