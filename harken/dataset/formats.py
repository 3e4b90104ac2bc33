"""The formats a dataset is written in. Every writer takes utterances one at a time, so size costs no memory.

Audio files lie in `data/PART/ID.flac` once, whatever number of manifests names them; manifests lie in the dataset's
folder and their paths are relative to it. WebDataset shards hold their audio themselves.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

from harken.dataset.utterance import Utterance


class Writer(Protocol):
    """Takes the utterances of one set; `close` completes what was written."""

    def add(self, item: Utterance) -> None: ...

    def close(self) -> None: ...


class AudioFiles:
    """`data/PART/ID.flac`: what the manifests of the other formats name."""

    def __init__(self, folder: Path, part: str) -> None:
        self.folder = folder
        (folder / "data" / part).mkdir(parents=True, exist_ok=True)

    def add(self, item: Utterance) -> None:
        (self.folder / item.file).write_bytes(item.audio)

    def close(self) -> None:
        """Every file is complete already."""


class JsonLines:
    """One JSON object a line, plain or gzipped; ``line`` turns an utterance into it."""

    def __init__(self, path: Path, line: Callable[[Utterance], Mapping[str, Any]]) -> None:
        self.line = line
        self.stream: TextIO
        if path.suffix == ".gz":
            # No time stamp, so that the same rows give the same bytes.
            self.stream = io.TextIOWrapper(gzip.GzipFile(path, "wb", mtime=0), encoding="utf-8")
        else:
            self.stream = path.open("w", encoding="utf-8")

    def add(self, item: Utterance) -> None:
        self.stream.write(json.dumps(self.line(item), ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self.stream.close()


class Shards:
    """WebDataset: `webdataset/PART-000000.tar` with ``rows_per_shard`` samples `KEY.flac`, `KEY.json`, `KEY.txt`."""

    def __init__(self, folder: Path, part: str, rows_per_shard: int) -> None:
        self.folder, self.part, self.rows_per_shard = folder / "webdataset", part, rows_per_shard
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self.tar: tarfile.TarFile | None = None

    def add(self, item: Utterance) -> None:
        if self.rows % self.rows_per_shard == 0:
            self.close()
            self.tar = tarfile.open(self.folder / f"{self.part}-{self.rows // self.rows_per_shard:06d}.tar", "w")  # noqa: SIM115
        described = json.dumps(description(item), ensure_ascii=False, allow_nan=False)
        for suffix, content in (("flac", item.audio), ("json", described.encode()), ("txt", item.text.encode())):
            member = tarfile.TarInfo(f"{item.stem}.{suffix}")
            member.size = len(content)
            assert self.tar is not None
            self.tar.addfile(member, io.BytesIO(content))
        self.rows += 1

    def close(self) -> None:
        if self.tar is not None:
            self.tar.close()
            self.tar = None


def description(item: Utterance) -> dict[str, Any]:
    """What is known about an utterance beside its audio."""
    return {
        "id": item.id,
        "text": item.text,
        "duration": item.duration,
        "language": item.language,
        "speaker": item.speaker,
        "licence": item.licence,
        **item.details,
    }


def nemo_line(item: Utterance) -> dict[str, Any]:
    """A line of a NeMo manifest; NeMo takes a relative path from the manifest's folder."""
    known = {"audio_filepath": item.file, "duration": item.duration, "text": item.text, "lang": item.language}
    return known | {"id": item.id, "speaker": item.speaker, "licence": item.licence}


def audiofolder_line(item: Utterance) -> dict[str, Any]:
    """A line of the `metadata.jsonl` that lies beside the audio; every line has the same columns."""
    columns = {key: item.details.get(key) for key in ("text_spoken", "style", "augmentation")}
    encoded = {
        key: value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in columns.items()
    }
    known = {key: value for key, value in description(item).items() if key not in item.details}
    return {"file_name": Path(item.file).name, **known, **encoded}


def whisper_finetune_line(item: Utterance) -> dict[str, Any]:
    """A line for Whisper-Finetune, whose scripts are run from the dataset's folder."""
    return {
        "audio": {"path": item.file},
        "sentence": item.text,
        "sentences": [{"start": 0.0, "end": round(item.duration, 3), "text": item.text}],
        "language": item.language,
        "duration": round(item.duration, 3),
    }


def lhotse_cut(item: Utterance) -> dict[str, Any]:
    """A `MonoCut` with its recording and one supervision (lhotse 1.x)."""
    samples = round(item.duration * item.sample_rate)
    supervision = {
        "id": item.id,
        "recording_id": item.id,
        "start": 0.0,
        "duration": item.duration,
        "channel": 0,
        "text": item.text,
        "language": item.language,
        "speaker": item.speaker,
        "custom": {"licence": item.licence, **item.details},
    }
    recording = {
        "id": item.id,
        "sources": [{"type": "file", "channels": [0], "source": item.file}],
        "sampling_rate": item.sample_rate,
        "num_samples": samples,
        "duration": item.duration,
        "channel_ids": [0],
    }
    return {
        "id": item.id,
        "start": 0.0,
        "duration": item.duration,
        "channel": 0,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut",
    }


def open_writers(folder: Path, part: str, formats: tuple[str, ...], rows_per_shard: int) -> list[Writer]:
    """The writers of one set; the audio files come first where a format needs them."""
    writers: list[Writer] = []
    if set(formats) - {"webdataset"}:
        writers.append(AudioFiles(folder, part))
    for name in formats:
        if name == "nemo":
            writers.append(JsonLines(folder / f"{part}.nemo.jsonl", nemo_line))
        elif name == "audiofolder":
            writers.append(JsonLines(folder / "data" / part / "metadata.jsonl", audiofolder_line))
        elif name == "whisper-finetune":
            writers.append(JsonLines(folder / f"{part}.whisper-finetune.jsonl", whisper_finetune_line))
        elif name == "lhotse":
            writers.append(JsonLines(folder / f"{part}.cuts.jsonl.gz", lhotse_cut))
        else:
            writers.append(Shards(folder, part, rows_per_shard))
    return writers
