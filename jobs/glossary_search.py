"""Looks a recording's terms up in a glossary: what the service does with every request, for one file."""

import json as json_format
from dataclasses import asdict, replace
from pathlib import Path

from rich.table import Table

from harken.audio import SAMPLE_RATE, read_audio, resample, split_at_pauses
from harken.detection import Detection
from harken.glossary_settings import GlossarySettings
from jobs.progress import console


def search(run: GlossarySettings, audio: str, json: bool = False) -> None:
    """Print the terms that a recording says, by time: as a table, or as one JSON object.

    Raises:
        HarkenError: no store, other models made it, or a recording that cannot be read.
    """
    found = find_terms(run, Path(audio))
    if json:
        rows = [asdict(detection) for detection in found]
        print(json_format.dumps({"audio": audio, "detections": rows}, ensure_ascii=False))
        return
    table = Table("from", "to", "term", "other spellings", "category", "probability", "because", title=audio)
    for detection in found:
        evidence = ", ".join(f"{stage} {score:.2f}" for stage, score in detection.evidence.items())
        others = ", ".join(spelling for spelling in detection.spellings if spelling != detection.term)
        start, end = f"{detection.start:.2f}", f"{detection.end:.2f}"
        table.add_row(start, end, detection.term, others, detection.category, f"{detection.probability:.2f}", evidence)
    console.print(table)


def find_terms(run: GlossarySettings, audio: Path) -> list[Detection]:
    """The terms that a recording of any length says, by time.

    Raises:
        HarkenError: as `search`.
    """
    import torch

    from compression.cascade.merging import merge
    from compression.cascade.search import Cascade
    from compression.cascade.utterance import CompressedUtterance
    from compression.features import utterance_frames
    from compression.frames import Frames
    from compression.glossary.glossary import open_glossary
    from compression.search_model import SearchModel
    from compression.storage import load_spotter
    from harken.whisper import load_whisper
    from jobs.glossary_preparation import description

    wave, rate = read_audio(audio)
    wave = resample(wave, rate, SAMPLE_RATE)
    whisper = load_whisper(run.model, run.resources.device)
    spotter = load_spotter(run.spotter, whisper.device)
    search_model = SearchModel.load(run.search_folder, spotter)
    glossary = open_glossary(run.store_folder, description(run).models)
    cascade = Cascade(spotter, search_model, glossary, run.cascade, glossary.threads)
    found, begin = [], 0.0
    for piece in split_at_pauses(wave, whisper.window_samples):
        frames = Frames.stack(utterance_frames(whisper, [piece], spotter.settings.layers))
        with torch.inference_mode():
            kept = spotter.compress(frames)[0].unstack()[0]
        result = cascade.search(CompressedUtterance.pack(kept, spotter), glossary.partitions)
        for detection in merge([result], search_model.calibration, run.cascade):
            found.append(replace(detection, start=detection.start + begin, end=detection.end + begin))
        begin += len(piece) / SAMPLE_RATE
    return sorted(found, key=lambda detection: detection.start)
