"""What a prepared set is to a trainer or a judge: its terms with their recordings, its utterances, their frames."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from compression.frame_encoder import EncodedFrames
from compression.frame_store import StoredFrames
from compression.inventory import Cut, Inventory, Term, Utterance
from compression.pairs import FrameSource, Pair
from compression.sampler import all_pairs
from harken.errors import HarkenError
from harken.inventory import InventoryTerm
from harken.model_folder import locate_model
from harken.records import OK, read_parquet
from harken.spotting_settings import CUT_RECORDINGS, SpottingSettings
from harken.stages import Stage
from harken.whisper import load_whisper
from jobs.keyword_inventory import heard, read_terms
from jobs.keyword_sets import CUTS, FRAMES, MENTIONS, TERMS, KeywordSet


@dataclass(frozen=True)
class SetData:
    """`terms` tell languages, `texts` are by utterance.

    The files, by the name of what is in them, hold frames (`StoredFrames`), or speech when frames are computed.
    """

    run: SpottingSettings
    terms: dict[str, InventoryTerm]
    inventory: Inventory
    utterances: list[Utterance]
    texts: dict[str, str]
    keyword_files: dict[str, Path]
    utterance_files: dict[str, Path]

    def frames(self, layers: Sequence[int]) -> FrameSource:
        """The frames of these layers, counted from 1; can be pickled."""
        if self.run.frames == "stored":
            return StoredFrames(self.keyword_files, self.utterance_files, layers)
        return ComputedFrames(self.run, self.keyword_files, self.utterance_files, layers)

    def joined(self, other: "SetData") -> "SetData":
        """This set with the recordings of another as well."""
        return replace(
            self,
            keyword_files=self.keyword_files | other.keyword_files,
            utterance_files=self.utterance_files | other.utterance_files,
        )


def judged_pairs(name: str, data: SetData, seed: int) -> tuple[list[Pair], list[str]]:
    """`compression.sampler.all_pairs` of the set of this name.

    Raises:
        HarkenError: in no pair the term is said, so that F1 is undefined.
    """
    pairs, terms = all_pairs(data.utterances, data.inventory, seed=seed)
    if not any(pair.said for pair in pairs):
        remedy = "No term that is said has a recording: the stages above count the failures by cause."
        raise HarkenError(f"pairs of {name}", len(pairs), remedy)
    return pairs, terms


class ComputedFrames:
    """A `FrameSource` that holds all recordings and encodes those that are asked for, once it is asked for one.

    The model is loaded where it is used: the whole pickles as paths.
    """

    def __init__(
        self,
        run: SpottingSettings,
        keyword_files: Mapping[str, Path],
        utterance_files: Mapping[str, Path],
        layers: Sequence[int],
    ) -> None:
        self.run, self.layers = run, tuple(layers)
        # Ray Train's workers run in a folder of their own, where a relative path leads nowhere.
        self.model = str(locate_model(run.model).absolute())
        self.keyword_files, self.utterance_files = keyword_files, utterance_files
        self._frames: EncodedFrames | None = None

    def keyword(self, name: str) -> Tensor:
        """As `EncodedFrames.keyword`."""
        return self._encoded().keyword(name)

    def utterance(self, name: str) -> Tensor:
        """As `EncodedFrames.utterance`."""
        return self._encoded().utterance(name)

    def _encoded(self) -> EncodedFrames:
        if self._frames is None:
            whisper = load_whisper(self.model, self.run.resources.device)
            keywords, utterances = _audio(self.keyword_files), _audio(self.utterance_files)
            self._frames = EncodedFrames(whisper, keywords, utterances, self.layers, self.run.enrolment)
        return self._frames

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_frames": None}


def read_set(keyword_set: KeywordSet) -> SetData:
    """Read a set whose stages are complete; recordings and utterances that failed are not in it.

    Raises:
        HarkenError: all of them failed.
    """
    stored = keyword_set.run.frames == "stored"
    utterance_files: dict[str, Path] = {}
    for corpus in keyword_set.utterances:
        utterance_files |= _frame_files(corpus.frames) if stored else _speech_files(corpus.stage)
    keyword_files: dict[str, Path] = {}
    longest = keyword_set.run.verifier.keyword_seconds
    for name, speech in keyword_set.recordings().items():
        frames = keyword_set.keyword_frames(name, speech)
        keyword_files |= _frame_files(frames) if stored else _speech_files(speech, longest)
    for kind, files in (("utterances", utterance_files), ("recordings of terms", keyword_files)):
        if not files:
            remedy = "None can be used: the stages above count the failures by cause, such as 'too long'."
            raise HarkenError(kind, keyword_set.name, remedy)
    utterances, texts = _utterances(keyword_set, utterance_files)
    return SetData(
        keyword_set.run,
        {term.term: term for term in read_terms(keyword_set)},
        Inventory(_terms(keyword_set, keyword_files)),
        utterances,
        texts,
        keyword_files,
        utterance_files,
    )


def _frame_files(frames: Stage) -> dict[str, Path]:
    folder = frames.absolute().directory / FRAMES
    return {row["id"]: folder / row["file"] for row in frames.rows(["id", "file", "status"]) if row["status"] == OK}


def _speech_files(speech: Stage, max_seconds: float = math.inf) -> dict[str, Path]:
    return {
        row["id"]: part
        for part in speech.absolute().parts()
        for row in read_parquet(part, ["id", "duration", "status"])
        if row["status"] == OK and row["duration"] <= max_seconds
    }


def _audio(files: Mapping[str, Path]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in dict.fromkeys(files.values()):
        found |= {row["id"]: row["audio"] for row in read_parquet(part, ["id", "audio"]) if row["id"] in files}
    return found


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
    from actors.phoneme_reader import espeak_voice, read_units

    said: dict[str, set[str]] = defaultdict(set)
    held: dict[str, set[str]] = defaultdict(set)
    for mention in read_parquet(keyword_set.inventory.directory / MENTIONS):
        (held if mention["inside"] else said)[mention["utterance"]].add(mention["term"])
    utterances, texts = [], {}
    for corpus in keyword_set.utterances:
        rows = [row for row in heard(corpus) if row["id"] in recorded]
        units = read_units([row["text"] for row in rows], espeak_voice(corpus.settings.language))
        for row, sounds in zip(rows, units, strict=True):
            name = row["id"]
            utterances.append(Utterance(name, frozenset(said[name]), frozenset(held[name]), tuple(sounds)))
            texts[name] = row["text"]
    return utterances, texts
