"""A Whisper model in use: log-mel features, encoder, greedy batch decoding with the model's own confidence.

The encoder's output is a value of its own (`encode`), so that one pass over the audio can serve several decodings.
"""

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as transformers_logging

from harken.audio import SAMPLE_RATE, check_wave, resample, split_at_pauses
from harken.errors import HarkenError, first_line
from harken.model_folder import locate_model

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Hypothesis:
    """What was heard.

    `tokens` are the text's token ids without prompt and end. `average_logprob` is the mean log-probability of the
    tokens and of the end that were chosen (nan when none was). `truncated`: the token limit came before the end
    of the text. `windows`: pieces that audio longer than the model's window was cut into. `logprobs` are those of the
    tokens, and of the end if it came. `no_speech_probability` is that of ``<|nospeech|>`` in the place of all text
    (Radford et al. 2022, section 2.3); nan where it was not asked for or the model has no such token.
    """

    text: str
    tokens: tuple[int, ...]
    average_logprob: float
    truncated: bool
    windows: int = 1
    logprobs: tuple[float, ...] = ()
    no_speech_probability: float = float("nan")


class Whisper:
    """A model with its processor on one device. `load_whisper` makes it."""

    def __init__(self, model: WhisperForConditionalGeneration, processor: WhisperProcessor, name: str) -> None:
        self.model: Any = model
        self.processor = processor
        self.name = name
        extractor = processor.feature_extractor
        self.window_samples: int = extractor.n_samples
        self.window_frames: int = extractor.nb_max_frames
        self._hop: int = extractor.hop_length
        self._fft: int = extractor.n_fft

    @property
    def window_seconds(self) -> float:
        """Seconds of audio that one encoder pass sees (30 for OpenAI's models)."""
        return self.window_samples / SAMPLE_RATE

    @property
    def frame_seconds(self) -> float:
        """Seconds between two frames of the encoder's output (0.02 for OpenAI's models)."""
        positions: int = self.model.config.max_source_positions
        return self.window_seconds / positions

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def prompt_tokens(self, language: str) -> list[int]:
        """``<|startoftranscript|><|zh|><|transcribe|><|notimestamps|>``; English-only models have no middle.

        Raises:
            HarkenError: the model does not know the language.
        """
        config = self.model.generation_config
        tokens = [config.decoder_start_token_id]
        if getattr(config, "is_multilingual", False):
            known = getattr(config, "lang_to_id", None) or {}
            if f"<|{language}|>" not in known:
                codes = ", ".join(sorted(code.strip("<|>") for code in known)) or "none"
                raise HarkenError("decoding.language", language, f"{self.name} knows these languages: {codes}.")
            tokens += [known[f"<|{language}|>"], config.task_to_id["transcribe"]]
        elif language != "en":
            raise HarkenError("decoding.language", language, f"{self.name} is an English-only model.")
        return [*tokens, config.no_timestamps_token_id]

    def text_tokens(self, text: str) -> tuple[int, ...]:
        """The tokens that follow the prompt when `text` is said: the text's and ``<|endoftext|>``."""
        return (*self.processor.tokenizer.encode(text, add_special_tokens=False), self.end_token)

    def plain_tokens(self, text: str) -> list[int]:
        """The tokens of a text that comes from elsewhere: none of them is a special one, whatever it says."""
        special = self.special_tokens
        return [
            token for token in self.processor.tokenizer.encode(text, add_special_tokens=False) if token not in special
        ]

    def suppressed_tokens(self) -> tuple[list[int], list[int]]:
        """The tokens that the generation configuration never allows, and those it does not allow as the first."""
        config = self.model.generation_config
        return list(config.suppress_tokens or ()), list(config.begin_suppress_tokens or ())

    @functools.cached_property
    def special_tokens(self) -> frozenset[int]:
        """The tokens that are no text: marks, languages, tasks, times."""
        return frozenset(self.processor.tokenizer.get_added_vocab().values())

    @functools.cached_property
    def no_speech_token(self) -> int | None:
        """The token that says that nobody speaks; None for a model without it."""
        known = self.processor.tokenizer.get_added_vocab()
        token: int | None = known.get("<|nospeech|>", known.get("<|nocaptions|>"))
        return token

    @property
    def previous_token(self) -> int | None:
        """``<|startofprev|>``, which opens what was said before; None for a model without it."""
        token: int | None = getattr(self.model.generation_config, "prev_sot_token_id", None)
        if token is None:
            token = self.processor.tokenizer.get_added_vocab().get("<|startofprev|>")
        return token

    @property
    def end_token(self) -> int:
        end: int = self.model.generation_config.eos_token_id
        return end

    def features(self, waves: Sequence[np.ndarray], full_window: bool = True) -> torch.Tensor:
        """Log-mel features of 16 kHz mono waves no longer than the window: float32 (batch, mels, frames), on the CPU.

        ``full_window=False`` leaves out the silence after the longest wave (frames stay a multiple of 2).
        """
        # Frames of pure padding all hold one value per utterance, the clamp 8 below the loudest (in log10) with
        # the extractor's (x + 4) / 4. So only the audio and one FFT length of silence have to be transformed.
        longest = max(len(wave) for wave in waves) + self._fft
        samples = min(-(-longest // (2 * self._hop)) * 2 * self._hop, self.window_samples)
        padded = [np.pad(wave, (0, samples - len(wave))) for wave in waves]
        extracted = self.processor.feature_extractor(
            padded, sampling_rate=SAMPLE_RATE, padding=False, truncation=False, return_tensors="np"
        )
        features = torch.from_numpy(np.asarray(extracted["input_features"], dtype=np.float32))
        missing = self.window_frames - features.shape[-1]
        if full_window and missing > 0:
            silence = torch.clamp(features.amax(dim=(1, 2)) - 2.0, min=-1.5)
            padding = silence[:, None, None].expand(-1, features.shape[1], missing)
            features = torch.cat([features, padding], dim=-1)
        return features

    def encode(self, features: torch.Tensor) -> BaseModelOutput:
        """One encoder pass over full windows (batch, mels, frames); pass the result to `decode` any number of times."""
        with torch.inference_mode():
            encoder = self.model.get_encoder()
            output: BaseModelOutput = encoder(features.to(self.device, self.model.dtype))
        return output

    def decode(self, encoded: BaseModelOutput, language: str = "zh", max_new_tokens: int = 128) -> list[Hypothesis]:
        """Greedy decoding of one batch; deterministic. `max_new_tokens` is clamped to the decoder's positions.

        Raises:
            HarkenError: the model does not know the language.
        """
        prompt = self.prompt_tokens(language)
        limit = min(max_new_tokens, self.model.config.max_target_positions - len(prompt))
        recorder = _GreedyRecorder(self.end_token)
        multilingual = {"language": language, "task": "transcribe"} if len(prompt) > 2 else {}
        with torch.inference_mode():
            self.model.generate(
                encoder_outputs=encoded,
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                logits_processor=LogitsProcessorList([recorder]),
                **multilingual,
            )
        return [self.hypothesis(*found) for found in recorder.sequences()]

    def transcribe(
        self,
        waves: Sequence[np.ndarray],
        rate: int = SAMPLE_RATE,
        language: str = "zh",
        batch_size: int = 16,
        max_new_tokens: int = 128,
    ) -> list[Hypothesis]:
        """What is said in each mono wave (any length; `rate` is that of all), in the order given.

        Batches hold waves of similar length. Audio longer than the window is cut at its quietest moments; the
        pieces are decoded on their own and their texts joined.

        Raises:
            HarkenError: an empty or non-finite wave, or a language the model does not know.
        """
        pieces: list[np.ndarray] = []
        owners: list[int] = []
        for index, wave in enumerate(waves):
            checked = resample(check_wave(wave, f"wave {index}"), rate, SAMPLE_RATE)
            windows = split_at_pauses(checked, self.window_samples)
            pieces += windows
            owners += [index] * len(windows)
        heard: dict[int, Hypothesis] = {}
        by_length = sorted(range(len(pieces)), key=lambda piece: (len(pieces[piece]), piece))
        for start in range(0, len(by_length), batch_size):
            batch = by_length[start : start + batch_size]
            encoded = self.encode(self.features([pieces[piece] for piece in batch]))
            heard.update(zip(batch, self.decode(encoded, language, max_new_tokens), strict=True))
        grouped: list[list[Hypothesis]] = [[] for _ in waves]
        for piece, owner in enumerate(owners):
            grouped[owner].append(heard[piece])
        return [_join(windows) for windows in grouped]

    def hypothesis(
        self, tokens: Sequence[int], logprobs: Sequence[float], finished: bool, no_speech: float = float("nan")
    ) -> Hypothesis:
        """The hypothesis of tokens that were chosen, before the end, with their log-probabilities (and the end's)."""
        text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
        average = sum(logprobs) / len(logprobs) if logprobs else float("nan")
        return Hypothesis(
            text,
            tuple(tokens),
            average,
            truncated=not finished,
            logprobs=tuple(logprobs),
            no_speech_probability=no_speech,
        )


def load_whisper(
    model: str, device: Device = "auto", adapter: str | None = None, dtype: torch.dtype | None = None
) -> Whisper:
    """Load a folder or hub id, with the LoRA adapter in the folder `adapter` merged in when one is given.

    `dtype` defaults to float32 on a CPU and float16 on a GPU.

    Raises:
        HarkenError: no such folder or hub id, an incomplete or damaged one, an adapter that does not fit, no GPU.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    place = resolve_device(device)
    folder = locate_model(model)
    try:
        processor = WhisperProcessor.from_pretrained(folder)
        loaded: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
        network, report = loaded
    except Exception as failure:  # each file format raises its own types
        remedy = f"It cannot be loaded ({first_line(failure)}): fetch it again."
        raise HarkenError("model folder", str(folder), remedy) from None
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise HarkenError("model folder", str(folder), f"Its weights lack {missing}, ...: fetch it again.")
    if adapter is not None:
        network = _merge_adapter(network, Path(adapter))
    if dtype is None:
        dtype = torch.float16 if place.type == "cuda" else torch.float32
    network = network.to(place, dtype).eval()
    network.requires_grad_(False)
    return Whisper(network, processor, model)


def select_rows(encoded: BaseModelOutput, rows: Sequence[int]) -> BaseModelOutput:
    """The encoder's output of these utterances of a batch, in this order and as often as they are named."""
    states: Any = encoded.last_hidden_state
    if list(rows) == list(range(len(states))):
        return encoded
    return BaseModelOutput(last_hidden_state=states[torch.tensor(list(rows), dtype=torch.long, device=states.device)])


def encoder_states(encoder: Any, features: torch.Tensor) -> Iterator[torch.Tensor]:
    """What leaves each encoder layer in turn, (batch, frames / 2, width), for (batch, mels, frames) up to the window.

    Equal to the encoder's own `hidden_states` from the second on when given a full window, which it insists on; so
    the last layer's are taken after the final norm. A caller that stops early saves the layers above.
    """
    hidden = F.gelu(encoder.conv1(features))
    hidden = F.gelu(encoder.conv2(hidden)).transpose(1, 2)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    last = len(encoder.layers)
    for number, layer in enumerate(encoder.layers, start=1):
        hidden = layer(hidden, None)
        yield encoder.layer_norm(hidden) if number == last else hidden


def encode_frames(encoder: Any, features: torch.Tensor) -> torch.Tensor:
    """Whisper's encoder on (batch, mels, frames) of any length up to the window: (batch, frames / 2, width)."""
    # A deque of one keeps no layer's output but the last.
    return deque(encoder_states(encoder, features), maxlen=1).pop()


def resolve_device(device: Device) -> torch.device:
    """The device to run on; "auto" is a GPU when there is one.

    Raises:
        HarkenError: "cuda" without a usable GPU.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise HarkenError("decoding.device", device, "PyTorch sees no GPU here: use 'auto' or 'cpu'.")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def _join(windows: list[Hypothesis]) -> Hypothesis:
    if len(windows) == 1:
        return windows[0]
    text = ""
    for window in windows:
        # A cut falls into a pause: Latin words on both sides are two words, Chinese needs no space.
        between = " " if text[-1:].isascii() and window.text[:1].isascii() and text and window.text else ""
        text += between + window.text
    tokens = tuple(token for window in windows for token in window.tokens)
    chosen = [len(window.tokens) + (not window.truncated) for window in windows]
    total = sum(window.average_logprob * count for window, count in zip(windows, chosen, strict=True) if count)
    truncated = any(window.truncated for window in windows)
    average = total / sum(chosen) if sum(chosen) else float("nan")
    logprobs = tuple(logprob for window in windows for logprob in window.logprobs)
    return Hypothesis(text, tokens, average, truncated, len(windows), logprobs)


def _merge_adapter(network: Any, adapter: Path) -> Any:
    from peft import PeftModel

    if not (adapter / "adapter_config.json").is_file():
        raise HarkenError(
            "adapter folder", str(adapter), "It holds no adapter_config.json: give a PEFT adapter folder."
        )
    try:
        return PeftModel.from_pretrained(network, str(adapter)).merge_and_unload()
    except (ValueError, RuntimeError, OSError, KeyError) as failure:
        remedy = f"It does not fit the model ({first_line(failure)})."
        raise HarkenError("adapter folder", str(adapter), remedy) from None


class _GreedyRecorder(LogitsProcessor):
    """Notes the token that greedy search is about to choose and its log-probability; changes nothing."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._tokens: list[torch.Tensor] = []
        self._logprobs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        best, chosen = scores.float().log_softmax(dim=-1).max(dim=-1)
        self._tokens.append(chosen)
        self._logprobs.append(best)
        return scores

    def sequences(self) -> list[tuple[list[int], list[float], bool]]:
        """Per utterance: tokens before the end, log-probabilities up to and with the end, whether it came."""
        found = []
        tokens, logprobs = torch.stack(self._tokens, dim=1).tolist(), torch.stack(self._logprobs, dim=1).tolist()
        for row, scores in zip(tokens, logprobs, strict=True):
            finished = self._end in row
            length = row.index(self._end) if finished else len(row)
            found.append((row[:length], scores[: length + 1], finished))
        return found
