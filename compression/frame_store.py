"""Encoder frames on disk: written once as float16, read memory-mapped for as long as a spotter is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from compression.storage import open_tensors, write_tensors
from harken.config import check
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings

FORMAT = "harken-frames"
VERSION = 1


@dataclass(frozen=True)
class FrameNotes:
    """What the frames of a file come from; frames of other notes do not fit beside them.

    `model`: `harken.digests.model_digest` of the encoder's model. `layers`: counted from 1, ascending. `enrolment`:
    how keywords were encoded; None for utterances.
    """

    model: str
    layers: tuple[int, ...]
    enrolment: EnrolmentSettings | None = None

    def as_json(self) -> dict[str, Any]:
        """The notes as they stand in a file."""
        enrolment = None if self.enrolment is None else self.enrolment.model_dump(mode="json")
        return {
            "format": FORMAT,
            "version": VERSION,
            "model": self.model,
            "layers": list(self.layers),
            "enrolment": enrolment,
        }

    @classmethod
    def from_json(cls, notes: Mapping[str, Any], path: Path) -> FrameNotes:
        """What `as_json` gave.

        Raises:
            HarkenError: another format or version, or settings that this release does not know.
        """
        found = (notes.get("format"), notes.get("version"))
        if found != (FORMAT, VERSION):
            remedy = f"This release reads {FORMAT} {VERSION}: compute the frames again."
            raise HarkenError(f"format of {path}", f"{found[0]} {found[1]}", remedy)
        enrolment = notes["enrolment"]
        if enrolment is not None:
            enrolment = check(enrolment, EnrolmentSettings, source=str(path))
        return cls(notes["model"], tuple(notes["layers"]), enrolment)


def write_frames(path: Path, frames: Mapping[str, Tensor], notes: FrameNotes) -> None:
    """Write recordings of shape (layers, frames, width) as float16, atomically; equal input, equal bytes.

    Raises:
        HarkenError: a value that float16 cannot hold, or a folder that cannot be written.
    """
    halves = {name: recording.half() for name, recording in frames.items()}
    for name, half in halves.items():
        if not half.isfinite().all():
            raise HarkenError(
                "frames", name, "Their values are beyond float16: compute them on the fly instead of storing them."
            )
    write_tensors(path, halves, notes.as_json())


class StoredFrames:
    """A `FrameSource` over files that `write_frames` wrote.

    Files are mapped when a recording of theirs is first asked for and stay so; of a recording only the wanted layers
    are read. Pickles without its open files.

    Args:
        keyword_files: the file that holds each keyword recording.
        utterance_files: the file that holds each utterance.
        layers: encoder layers to give, counted from 1, ascending; the files may hold more.

    Raises:
        HarkenError: no recordings, layers that were not stored, keywords where utterances belong or the reverse,
            keywords and utterances of two models, a missing or damaged file.
    """

    def __init__(
        self, keyword_files: Mapping[str, Path], utterance_files: Mapping[str, Path], layers: Sequence[int]
    ) -> None:
        self._keywords = _Recordings("keyword", keyword_files, layers)
        self._utterances = _Recordings("utterance", utterance_files, layers)
        models = self._keywords.notes.model, self._utterances.notes.model
        if models[0] != models[1]:
            raise HarkenError(
                "model of the keywords' frames",
                models[0],
                f"The utterances' are of {models[1]}: compute both with one model.",
            )

    def keyword(self, name: str) -> Tensor:
        """A keyword recording's frames, float16 (layers, frames, width) on the CPU.

        Raises:
            HarkenError: an unknown name, a missing or damaged file, or one whose notes differ from the others'.
        """
        return self._keywords.read(name)

    def utterance(self, name: str) -> Tensor:
        """An utterance's frames, as `keyword`."""
        return self._utterances.read(name)


class _Recordings:
    """The recordings of one kind; `notes` are those of the first file and must be those of all."""

    def __init__(self, kind: str, files: Mapping[str, Path], layers: Sequence[int]) -> None:
        if not files:
            raise HarkenError(f"{kind} frames", 0, f"There is no {kind} to read: compute the frames first.")
        self.kind, self.files = kind, dict(files)
        self._open: dict[Path, Any] = {}
        first = next(iter(self.files.values()))
        _, self.notes = _mapped(first)
        if (self.notes.enrolment is not None) != (kind == "keyword"):
            raise HarkenError(f"{kind} frames", str(first), f"The file does not hold {kind}s: exchange the two.")
        missing = sorted(set(layers) - set(self.notes.layers))
        if missing:
            stored = f"The files hold {list(self.notes.layers)}: compute the frames again with these layers."
            raise HarkenError(f"layers of the {kind} frames", missing, stored)
        self._rows = [self.notes.layers.index(layer) for layer in layers]

    def read(self, name: str) -> Tensor:
        path = self.files.get(name)
        if path is None:
            raise HarkenError(self.kind, name, "No frames are stored under this name: compute them first.")
        if path not in self._open:
            file, notes = _mapped(path)
            if notes != self.notes:
                first = next(iter(self.files.values()))
                remedy = f"Those of {first} are {self.notes.as_json()}: do not mix them."
                raise HarkenError(f"frames of {path}", notes.as_json(), remedy)
            self._open[path] = file
        try:
            recording: Tensor = self._open[path].get_slice(name)[self._rows]
        except SafetensorError:
            remedy = "The file does not hold it: delete the file and compute its frames again."
            raise HarkenError(f"frames in {path}", name, remedy) from None
        return recording

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}


def _mapped(path: Path) -> tuple[Any, FrameNotes]:
    file, notes = open_tensors(path)
    return file, FrameNotes.from_json(notes, path)
