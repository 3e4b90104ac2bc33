"""What a glossary keeps of a recording of a term: compressed frames in few bits, its span, its background scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from actors.recording_encoder import RecordingEncoder
from compression.features import encoder_shape
from compression.frames import Frames
from compression.quantisation import Bits, Quantised, dequantise, quantise
from compression.search_model import SearchModel
from compression.spotter import Spotter
from compression.storage import load_spotter
from harken.records import FAILED, OK, Row
from harken.whisper import Device

ENROLMENT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("frames", pa.int32()),
        ("codes", pa.binary()),
        ("scales", pa.binary()),
        ("span", pa.binary()),
        ("statistics", pa.list_(pa.float32())),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

_COMPRESSED_AT_ONCE = 64


@dataclass(frozen=True)
class Enrolment:
    """One recording of a term as it is stored.

    Attributes:
        frames: codes uint8 (frames, layers, size * bits / 8) with scales float16 (frames, layers).
        span: int8 (D,), its span embedding.
        statistics: float32 (2,), mean and deviation of its best path score over the cohort.
    """

    frames: Quantised
    span: NDArray[np.int8]
    statistics: NDArray[np.float32]


class Enroller(RecordingEncoder):
    """Rows ``{"id", "audio"[, "status", "error"]}`` in, rows of `ENROLMENT_SCHEMA` out, in the same order.

    `codes`, `scales` and `span` are the bytes of `Enrolment`'s arrays; `read_enrolment` makes arrays of them again.
    What is stored of a recording depends on the recording alone, whatever it is batched with.

    A row that failed earlier stays failed with its error; one that fails here has a cause of
    `RecordingEncoder.encode`.

    Args:
        model: folder or hub id of the Whisper.
        spotter: folder of the spotter.
        search: folder of the search model.
        bits: of a stored value.
        device: of the encoder and the spotter; spans and scores are computed on the CPU.

    Raises:
        HarkenError: a missing, damaged or wrong model, spotter or search model.
    """

    def __init__(
        self,
        model: str,
        spotter: Path,
        search: Path,
        bits: Bits,
        device: Device = "auto",
        batch_size: int = 16,
        threads: int = 1,
    ) -> None:
        self.spotter = load_spotter(spotter)
        self.search_model = SearchModel.load(search, self.spotter)
        self.bits: Bits = bits
        settings = self.spotter.settings
        seconds = settings.verifier.keyword_seconds
        super().__init__(
            model, settings.layers, settings.enrolment, "keyword", seconds, device, batch_size, threads
        )
        self.spotter.check_encoder(encoder_shape(self.whisper))
        self.spotter.to(self.whisper.device)

    def __call__(self, rows: list[Row]) -> list[Row]:
        results: list[Row] = []
        for row, outcome in zip(rows, self.enrol(rows), strict=True):
            blank: Row = dict.fromkeys(ENROLMENT_SCHEMA.names) | {"id": row["id"]}
            if isinstance(outcome, str):
                results.append(blank | {"status": FAILED, "error": outcome})
                continue
            stored = {
                "frames": len(outcome.frames.codes),
                "codes": outcome.frames.codes.tobytes(),
                "scales": outcome.frames.scales.tobytes(),
                "span": outcome.span.tobytes(),
                "statistics": outcome.statistics.tolist(),
            }
            results.append(blank | stored | {"status": OK})
        return results

    def enrol(self, rows: Sequence[Row]) -> list[Enrolment | str]:
        """Of each row what is stored of its recording, or why there is nothing."""
        outcomes: list[Tensor | str] = self.encode(rows)
        encoded = [outcome for outcome in outcomes if isinstance(outcome, Tensor)]
        made = iter(self.store(self.compress(encoded)))
        return [outcome if isinstance(outcome, str) else next(made) for outcome in outcomes]

    def compress(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Kept frames, float32 (layers, frames', size) on the CPU, of hidden states (layers, frames, width)."""
        kept: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(encoded), _COMPRESSED_AT_ONCE):
                batch = Frames.stack(list(encoded[start : start + _COMPRESSED_AT_ONCE]))
                kept += [frames.float().cpu() for frames in self.spotter.compress(batch)[0].unstack()]
        return kept

    def store(self, kept: Sequence[Tensor]) -> list[Enrolment]:
        """What is stored of kept frames (layers, frames, size); spans and scores are those of the stored values."""
        quantised = [quantise(frames.transpose(0, 1).numpy(), self.bits) for frames in kept]
        return enrolments(quantised, self.search_model)


def enrolments(quantised: Sequence[Quantised], search_model: SearchModel) -> list[Enrolment]:
    """Span and statistics of quantised frames (frames, layers, size), one recording each."""
    stored = [torch.from_numpy(dequantise(frames)).transpose(0, 1) for frames in quantised]
    spans = search_model.spans.encode_int8(search_model.spans.embed(stored)).numpy()
    statistics = search_model.background_statistics(stored).numpy()
    return [Enrolment(*parts) for parts in zip(quantised, spans, statistics, strict=True)]


def read_enrolment(row: Row, spotter: Spotter, bits: Bits) -> Enrolment:
    """The arrays of a row of `ENROLMENT_SCHEMA` that has not failed."""
    frames, layers = row["frames"], len(spotter.settings.layers)
    codes = np.frombuffer(row["codes"], np.uint8).reshape(frames, layers, -1)
    scales = np.frombuffer(row["scales"], np.float16).reshape(frames, layers)
    span = np.frombuffer(row["span"], np.int8)
    return Enrolment(Quantised(codes, scales, bits), span, np.array(row["statistics"], np.float32))
