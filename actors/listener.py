"""One Whisper that hears for a glossary: speech is encoded once, to spot terms in it and to write it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from compression.cascade.utterance import CompressedUtterance
from compression.features import frame_count
from compression.frames import Frames
from compression.spotter import Spotter
from harken.audio import SAMPLE_RATE
from harken.biasing.biaser import Biaser
from harken.biasing.options import GREEDY, DecodingOptions
from harken.biasing.proposals import Proposals
from harken.biasing.transcript import BiasedTranscript
from harken.detection import Detection
from harken.whisper import Whisper, encoder_states


@dataclass(frozen=True)
class Heard:
    """One window of speech after the encoder.

    Attributes:
        states: (frames, width), of the last layer, the whole window.
        compressed: what a glossary is searched for; None where nobody spots.
        seconds: of audio in it.
    """

    states: Tensor
    compressed: CompressedUtterance | None
    seconds: float


@dataclass(frozen=True)
class Wave:
    """A window of 16 kHz mono speech to be encoded, and whether terms are looked for in it."""

    samples: np.ndarray
    spotted: bool


@dataclass(frozen=True)
class Passage:
    """An encoded window to be written, with what was detected in it (in seconds from its beginning).

    `language` is Whisper's code; None: the model tells it by the sound. `options` say how it is written otherwise.
    `draft`: what was written of it while terms were looked for.
    """

    heard: Heard
    detections: tuple[Detection, ...]
    language: str | None
    options: DecodingOptions = GREEDY
    draft: Proposals | None = None


@dataclass(frozen=True)
class Draft:
    """The unbiased text of a passage, from which biasing can go on, and its language."""

    proposals: Proposals
    language: str


@dataclass(frozen=True)
class Written:
    """What was written of a passage, and in which language."""

    transcript: BiasedTranscript
    language: str


class Listener:
    """A Whisper with a spotter on its encoder.

    Its methods may run in several threads at once.

    Args:
        biaser: of the model that writes.
        spotter: on the encoder of `reference`, in evaluation mode and on its device.
        reference: the model whose encoder the spotter and all glossaries belong to. A model with another encoder (an
            adapter on it, say) is fine: what is spotted in is then encoded by the reference too, up to the spotter's
            last layer.
        max_new_tokens: of each window.
    """

    def __init__(self, biaser: Biaser, spotter: Spotter, reference: Whisper, max_new_tokens: int) -> None:
        self._biaser = biaser
        self._whisper = biaser.whisper
        self._spotter = spotter
        self._reference = reference
        self._max_new_tokens = max_new_tokens
        # Biasing watches the decoder's attention, and must not see that of another batch.
        self._decoder = threading.Lock()
        self.shares_encoder = self._whisper is reference or _same_weights(self._whisper, reference)

    @property
    def longest_samples(self) -> int:
        """Of one window."""
        return min(self._whisper.window_samples, self._reference.window_samples)

    def encode(self, waves: Sequence[Wave]) -> list[Heard]:
        """Each wave (at most `longest_samples`), in one pass of the encoder."""
        seconds = [len(wave.samples) / SAMPLE_RATE for wave in waves]
        spotted = [row for row, wave in enumerate(waves) if wave.spotted]
        wanted = self._spotter.settings.layers if spotted and self.shares_encoder else ()
        layers, last = _encode(self._whisper, [wave.samples for wave in waves], wanted)
        compressed: dict[int, CompressedUtterance] = {}
        if spotted:
            samples = [waves[row].samples for row in spotted]
            if self.shares_encoder:
                kept = [layer[spotted] for layer in layers]
            else:
                kept, _ = _encode(self._reference, samples, self._spotter.settings.layers, whole=False)
            compressed = dict(zip(spotted, self._compress(torch.stack(kept, dim=1), samples), strict=True))
        return [Heard(last[row], compressed.get(row), seconds[row]) for row in range(len(waves))]

    def write(self, passages: Sequence[Passage]) -> list[Written]:
        """Each passage unbiased and, where something was detected in it, biased; languages and options may differ.

        Raises:
            HarkenError: the model does not know a language.
        """
        return [self.as_drafted(draft) for draft in self._propose(passages)]

    def draft(self, passages: Sequence[Passage]) -> list[Draft]:
        """Each passage unbiased, whatever was detected in it; a passage with this draft is then written sooner.

        Raises:
            HarkenError: the model does not know a language.
        """
        return self._propose([replace(passage, detections=()) for passage in passages])

    def as_drafted(self, draft: Draft) -> Written:
        """What is written of a passage in which nothing was detected."""
        return Written(self._biaser.transcript(draft.proposals), draft.language)

    def _propose(self, passages: Sequence[Passage]) -> list[Draft]:
        with self._decoder:
            languages = self._languages(passages)
            kinds = [(language, one.draft is None) for language, one in zip(languages, passages, strict=True)]
            proposed: dict[int, Draft] = {}
            for kind in sorted(set(kinds)):
                language, rows = kind[0], [row for row, own in enumerate(kinds) if own == kind]
                chosen = [passages[row] for row in rows]
                found = self._biaser.propose(
                    BaseModelOutput(last_hidden_state=torch.stack([one.heard.states for one in chosen])),
                    [one.heard.seconds for one in chosen],
                    [one.detections for one in chosen],
                    language,
                    self._max_new_tokens,
                    [one.options for one in chosen],
                    [one.draft for one in chosen if one.draft is not None],
                )
                proposed.update(zip(rows, (Draft(proposals, language) for proposals in found), strict=True))
        return [proposed[row] for row in range(len(passages))]

    def _languages(self, passages: Sequence[Passage]) -> list[str]:
        """The language of each; where none is given the likeliest first token (Radford et al. 2022, section 2.3)."""
        config = self._whisper.model.generation_config
        tokens: dict[str, int] = dict(getattr(config, "lang_to_id", None) or {})
        open_rows = [row for row, passage in enumerate(passages) if passage.language is None]
        languages = [passage.language or "en" for passage in passages]
        if not tokens or not open_rows:
            return languages
        states = torch.stack([passages[row].heard.states for row in open_rows])
        start = torch.full((len(open_rows), 1), config.decoder_start_token_id, device=states.device)
        encoded: Any = BaseModelOutput(last_hidden_state=states)
        with torch.inference_mode():
            logits = self._whisper.model(encoder_outputs=encoded, decoder_input_ids=start, use_cache=False).logits[:, 0]
        names = list(tokens)
        best = logits[:, [tokens[name] for name in names]].argmax(dim=-1).tolist()
        for row, place in zip(open_rows, best, strict=True):
            languages[row] = names[place].strip("<|>")
        return languages

    def _compress(self, states: Tensor, waves: Sequence[np.ndarray]) -> list[CompressedUtterance]:
        counts = [frame_count(self._reference, len(wave)) for wave in waves]
        batch = Frames.stack([rows[:, :count].float() for rows, count in zip(states, counts, strict=True)])
        with torch.inference_mode():
            kept = self._spotter.compress(batch)[0].unstack()
        return [CompressedUtterance.pack(frames, self._spotter) for frames in kept]


def _encode(
    whisper: Whisper, waves: Sequence[np.ndarray], layers: Sequence[int], whole: bool = True
) -> tuple[list[Tensor], Tensor]:
    """What leaves the given layers, each (batch, frames, width), and the last one that was run."""
    features = whisper.features(waves).to(whisper.device, whisper.model.dtype)
    kept: list[Tensor] = []
    with torch.inference_mode():
        for number, state in enumerate(encoder_states(whisper.model.get_encoder(), features), start=1):
            if number in layers:
                kept.append(state)
                if not whole and len(kept) == len(layers):
                    break
    return kept, state


def _same_weights(one: Whisper, other: Whisper) -> bool:
    first, second = (whisper.model.get_encoder().state_dict() for whisper in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
