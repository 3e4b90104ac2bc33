"""The path of a recording through the service, in one process: windows, encoder, search, biased decoding.

The same parts as in `serve.replicas`, without Ray between them: every recording is cut where nobody speaks, each window
is encoded once, the spotter's compressed frames of it are searched in the glossary, and what is found biases the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.modeling_outputs import BaseModelOutput

from actors.listener import Heard, Listener, Wave
from actors.phoneme_reader import espeak_voice
from actors.phonetics import Phonetics
from benchmarks.biasing.utterances import Spoken
from compression.cascade.search import Cascade
from compression.glossary.glossary import open_glossary
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.biasing.biaser import Biaser
from harken.biasing.proposals import Proposals
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.vad import VoiceActivity
from harken.whisper import load_whisper
from serve.graph_settings import GraphSettings
from serve.replicas.windows import find_windows

_BATCH = 16
# Of a service that leaves it to the model.
_LANGUAGE = "zh"


@dataclass(frozen=True)
class Listened:
    """An utterance after the encoder: one for each window of speech, none where nobody speaks."""

    spoken: Spoken
    windows: tuple[Heard, ...]


class ServedPath:
    """Holds the default model of a service, with its spotter, on the CPU.

    Args:
        service: its settings.
        biasing: in the place of its own.

    Raises:
        HarkenError: a model is missing, or does not fit the others.
    """

    def __init__(self, service: GraphSettings, biasing: BiasingSettings) -> None:
        model = service.models[service.default_model]
        whisper = load_whisper(model.folder, "cpu")
        self.language = model.language or _LANGUAGE
        self._spotter = load_spotter(service.glossary.spotter)
        self._search_model = SearchModel.load(service.glossary.search_folder, self._spotter)
        self._cascade = service.glossary.cascade
        self._biaser = Biaser(whisper, Phonetics(espeak_voice(self.language).lower()), biasing)
        self._tokens = service.transcriber.max_new_tokens
        self._listener = Listener(self._biaser, self._spotter, whisper, self._tokens)
        self._voice = VoiceActivity(service.transcriber.vad)

    def cascade(self, glossary: Path) -> Cascade:
        """A search of a glossary's folder."""
        return Cascade(self._spotter, self._search_model, open_glossary(glossary), self._cascade)

    def listen(self, utterances: Sequence[Spoken]) -> list[Listened]:
        """Cut and encode."""
        waves, owners = [], []
        for row, spoken in enumerate(utterances):
            for window in find_windows(self._voice, spoken.wave, self._listener.longest_samples):
                waves.append(Wave(window.samples, spotted=True))
                owners.append(row)
        heard = []
        for start in range(0, len(waves), _BATCH):
            heard += self._listener.encode(waves[start : start + _BATCH])
        windows: list[list[Heard]] = [[] for _ in utterances]
        for owner, one in zip(owners, heard, strict=True):
            windows[owner].append(one)
        return [Listened(spoken, tuple(own)) for spoken, own in zip(utterances, windows, strict=True)]

    def search(self, cascade: Cascade, listened: Sequence[Listened]) -> list[list[list[Detection]]]:
        """By utterance and window what is found."""
        return [
            [cascade.detect(heard.compressed) for heard in one.windows if heard.compressed is not None]
            for one in listened
        ]

    def propose(
        self,
        listened: Sequence[Listened],
        detections: Sequence[Sequence[Sequence[Detection]]] | None = None,
        unbiased: Sequence[Sequence[Proposals]] | None = None,
    ) -> list[list[Proposals]]:
        """By utterance and window what every mechanism proposes.

        Args:
            detections: None: there are none.
            unbiased: what this gave without detections; windows in which nothing was detected are taken from it.
        """
        heard = [window for one in listened for window in one.windows]
        found = [window for one in detections for window in one] if detections else [[] for _ in heard]
        made = {} if unbiased is None else dict(enumerate(window for one in unbiased for window in one))
        wanted = [row for row in range(len(heard)) if found[row] or row not in made]
        for start in range(0, len(wanted), _BATCH):
            rows = wanted[start : start + _BATCH]
            encoded = BaseModelOutput(last_hidden_state=torch.stack([heard[row].states for row in rows]))
            seconds = [heard[row].seconds for row in rows]
            chosen = [found[row] for row in rows]
            proposals = self._biaser.propose(encoded, seconds, chosen, self.language, self._tokens)
            made |= dict(zip(rows, proposals, strict=True))
        in_order = (made[row] for row in range(len(heard)))
        return [[next(in_order) for _ in one.windows] for one in listened]
