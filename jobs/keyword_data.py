"""What a prepared set is to a trainer or a judge: its terms with their recordings, its utterances, their frames."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compression.frame_store import StoredFrames
from compression.inventory import Cut, Inventory, Term, Utterance
from harken.inventory import InventoryTerm
from harken.records import OK, read_parquet
from harken.stages import Stage
from jobs.keyword_inventory import read_terms, voice
from jobs.keyword_sets import CUT_RECORDINGS, CUTS, FRAMES, MENTIONS, TERMS, KeywordSet


@dataclass(frozen=True)
class SetData:
    """`terms` tell languages; `texts` and `languages` are by utterance; the files are those of `StoredFrames`."""

    terms: dict[str, InventoryTerm]
    inventory: Inventory
    utterances: list[Utterance]
    texts: dict[str, str]
    keyword_files: dict[str, Path]
    utterance_files: dict[str, Path]

    def frames(self, layers: Sequence[int]) -> StoredFrames:
        """The frames of these layers, counted from 1."""
        return StoredFrames(self.keyword_files, self.utterance_files, layers)


def read_set(keyword_set: KeywordSet) -> SetData:
    """Read a set whose stages are complete; recordings and utterances without frames are not in it."""
    utterance_files: dict[str, Path] = {}
    for corpus in keyword_set.utterances:
        utterance_files |= _files(corpus.frames)
    keyword_files: dict[str, Path] = {}
    for name, speech in keyword_set.recordings().items():
        keyword_files |= _files(keyword_set.frames(name, speech))
    utterances, texts = _utterances(keyword_set, utterance_files)
    return SetData(
        {term.term: term for term in read_terms(keyword_set)},
        Inventory(_terms(keyword_set, keyword_files)),
        utterances,
        texts,
        keyword_files,
        utterance_files,
    )


def _files(frames: Stage) -> dict[str, Path]:
    folder = frames.absolute().directory / FRAMES
    return {row["id"]: folder / row["file"] for row in frames.rows(["id", "file", "status"]) if row["status"] == OK}


def _terms(keyword_set: KeywordSet, recorded: dict[str, Path]) -> list[Term]:
    folder = keyword_set.inventory.directory
    spoken: dict[str, list[str]] = defaultdict(list)
    for name, speech in keyword_set.recordings().items():
        if name != CUT_RECORDINGS:
            for row in speech.rows(["id", "text"]):
                if row["id"] in recorded:
                    spoken[row["text"]].append(row["id"])
    cut: dict[str, list[Cut]] = defaultdict(list)
    for row in read_parquet(folder / CUTS):
        if row["id"] in recorded:
            cut[row["text"]].append(Cut(row["id"], row["utterance"]))
    return [
        Term(row["term"], tuple(row["phonemes"]), tuple(spoken[row["term"]]), tuple(cut[row["term"]]))
        for row in read_parquet(folder / TERMS)
    ]


def _utterances(keyword_set: KeywordSet, recorded: dict[str, Path]) -> tuple[list[Utterance], dict[str, str]]:
    from actors.phoneme_reader import read_units

    said: dict[str, set[str]] = defaultdict(set)
    held: dict[str, set[str]] = defaultdict(set)
    for mention in read_parquet(keyword_set.inventory.directory / MENTIONS):
        (held if mention["inside"] else said)[mention["utterance"]].add(mention["term"])
    utterances, texts = [], {}
    for corpus in keyword_set.utterances:
        rows = [row for row in corpus.stage.rows(["id", "text"]) if row["id"] in recorded]
        units = read_units([row["text"] for row in rows], voice(corpus.settings.language))
        for row, sounds in zip(rows, units, strict=True):
            name = row["id"]
            utterances.append(Utterance(name, frozenset(said[name]), frozenset(held[name]), tuple(sounds)))
            texts[name] = row["text"]
    return utterances, texts
