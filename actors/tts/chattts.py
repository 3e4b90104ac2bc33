"""ChatTTS 0.2.5, the synthesizer of the first paper: sampled voices, and voices cloned from real recordings.

A speaker that `references` names is cloned from its recording, with the accent and the background of that recording
(the paper's "interference components of the original data"); any other name is a voice sampled from a seed made of
the name. The row's rate is ChatTTS's own speed token, in ten steps.

What its code does to the unwary, and what is done here: `infer` on a list joins everything into one wave unless
`split_text=False`, and keeps the first voice in shared default parameters, so every call gets fresh ones. One call has
one speaker, so requests are grouped. Its `manual_seed` restarts the random numbers at every token, so the global seed
is set per call instead; a row's audio therefore depends on the rows of its batch, and a rerun of the same shard gives
the same audio. Short rows of a batch are padded with what the decoder makes of nothing, which is cut off here. Its
normaliser deletes what it does not know; those characters are reported beforehand.

The code is AGPL-3.0-or-later and the weights are CC BY-NC 4.0: the audio is not for commercial use.
"""

from __future__ import annotations

import functools
import logging
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from actors.tts.interface import Capabilities, Licence, SpeechRequest, SpeechResult
from harken.audio import read_audio, resample
from harken.errors import HarkenError
from harken.records import generator
from harken.speech_settings import ChatTTSSettings

ENGINE_RATE = 24_000
# What its normaliser leaves in a text; everything else is deleted without a word.
_READ = re.compile(r"[\u4e00-\u9fffA-Za-z，。、,. ]")
# What its vocabulary has an entry for or not: words in Latin letters, else characters.
_UNITS = re.compile(r"[A-Za-z]+|[^\s，。、,.]")
_SAID = frozenset("&%‰#@")
_JOINTS = frozenset("-‐‑_·•")
_NORMAL_SPEED, _SPEEDS = 5, range(10)
# It was trained on short texts; longer ones drift to another voice.
_LONGEST_TEXT = 200
_LONGEST_REFERENCE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class ChatTTSSynthesizer:
    """ChatTTS as a `Synthesizer`; the weights are loaded when the first request comes.

    Args:
        chat: a `ChatTTS.Chat` that is not loaded yet, if it is not the published one (other sizes or digests).

    Raises:
        HarkenError: a reference recording or the folder of weights is missing; on the first request also when
            the package is missing or the weights cannot be loaded.
    """

    def __init__(self, settings: ChatTTSSettings, chat: Any = None) -> None:
        self.settings = settings
        if settings.weights is not None and not (settings.weights / "asset").is_dir():
            remedy = "It must hold ChatTTS's folder asset/ (download 2Noise/ChatTTS)."
            raise HarkenError("speech.chattts.weights", str(settings.weights), remedy)
        for name, reference in settings.references.items():
            if not reference.audio.is_file():
                raise HarkenError(f"reference recording of {name}", str(reference.audio), "It does not exist.")
        self._unloaded = chat
        self._voices: dict[str, dict[str, str]] = {}
        self._known: dict[str, bool] = {}
        self._decoded: list[tuple[np.ndarray, int]] = []

    def capabilities(self) -> Capabilities:
        references = self.settings.references
        return Capabilities(
            languages=frozenset({"cmn", "zh", "en"}),
            control=frozenset({"preset", "clone"}),
            per_row_speaker=True,
            per_row_seed=False,
            sample_rate=ENGINE_RATE,
            max_characters=_LONGEST_TEXT,
            licence=Licence("AGPL-3.0-or-later", "CC-BY-NC-4.0", "non-commercial, academic purposes", commercial=False),
            accents={name: reference.accent for name, reference in references.items() if reference.accent},
            adjusts=frozenset({"rate"}),
            any_speaker=True,
        )

    def speakers(self) -> list[str]:
        """The cloned voices; any other name is a sampled one."""
        return list(self.settings.references)

    def unreadable(self, request: SpeechRequest) -> list[str]:
        """What is left once punctuation became pauses and is deleted all the same, or is not in the vocabulary."""
        units = dict.fromkeys(_UNITS.findall(pauses(request.text_spoken)))
        return [unit for unit in units if not self._reads(unit)]

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]:
        for request in requests:
            if request.style or request.accent:
                remedy = "ChatTTS takes no style keys; its accents come with the reference voices"
                raise HarkenError(f"style of request {request.id}", [*request.style, request.accent], remedy)
        results: dict[str, SpeechResult] = {}
        fit = []
        for request in requests:
            left_out = self.unreadable(request)
            if left_out:
                error = f"ChatTTS would leave out {', '.join(left_out)}"
                results[request.id] = SpeechResult(request.id, None, ENGINE_RATE, request.text_spoken, error=error)
            else:
                fit.append(request)
        for speaker, batch in self._batches(fit):
            results |= {result.id: result for result in self._speak_apart(speaker, batch)}
        return [results[request.id] for request in requests]

    def _batches(self, requests: Sequence[SpeechRequest]) -> Iterator[tuple[str, list[SpeechRequest]]]:
        """Batches of one speaker, long texts with long ones: a batch takes as long as its longest row."""
        groups: dict[str, list[SpeechRequest]] = defaultdict(list)
        for request in requests:
            groups[request.speaker].append(request)
        for speaker, group in sorted(groups.items()):
            group.sort(key=lambda request: (len(request.text_spoken), request.id))
            for start in range(0, len(group), self.settings.batch_size):
                yield speaker, group[start : start + self.settings.batch_size]

    def _speak_apart(self, speaker: str, batch: list[SpeechRequest]) -> list[SpeechResult]:
        """Speak a batch; when the engine fails on it, its rows one by one, so that only a bad row fails."""
        try:
            return self._speak(speaker, batch)
        except (RuntimeError, AssertionError, IndexError, ValueError) as failure:
            if len(batch) == 1:
                request = batch[0]
                error = f"ChatTTS failed: {type(failure).__name__}: {failure}"
                return [SpeechResult(request.id, None, ENGINE_RATE, request.text_spoken, error=error)]
            _log.warning("ChatTTS failed on %d rows, they are tried one by one: %s", len(batch), failure)
            return [result for request in batch for result in self._speak_apart(speaker, [request])]

    def _speak(self, speaker: str, batch: list[SpeechRequest]) -> list[SpeechResult]:
        voice = self._voice(speaker)
        texts = [pauses(request.text_spoken) for request in batch]
        parameters = self._chat.InferCodeParams(
            prompt="",
            temperature=self.settings.temperature,
            max_new_token=self.settings.max_new_tokens,
            show_tqdm=False,
            **voice,
        )
        self._decoded = []
        with _seeded("batch", *(request.seed for request in batch)):
            self._chat.infer(
                [f"[speed_{_speed(request.rate)}]{text}" for request, text in zip(batch, texts, strict=True)],
                skip_refine_text=True,
                do_text_normalization=False,
                do_homophone_replacement=False,
                split_text=False,
                params_infer_code=parameters,
            )
        results = []
        for request, text, (wave, tokens) in zip(batch, texts, self._decoded, strict=True):
            empty = not np.any(wave)
            results.append(
                SpeechResult(
                    request.id,
                    None if empty else np.clip(wave, -1.0, 1.0),
                    ENGINE_RATE,
                    text,
                    truncated=tokens >= self.settings.max_new_tokens,
                    error="ChatTTS gave no audio" if empty else None,
                )
            )
        return results

    def _voice(self, speaker: str) -> dict[str, str]:
        """The arguments that make ChatTTS speak as ``speaker``, made once per worker."""
        if speaker not in self._voices:
            reference = self.settings.references.get(speaker)
            if reference is None:
                with _seeded("voice", speaker):
                    self._voices[speaker] = {"spk_emb": self._chat.sample_random_speaker()}
            else:
                wave, rate = read_audio(reference.audio, max_seconds=_LONGEST_REFERENCE_SECONDS)
                sample = self._chat.sample_audio_speaker(resample(wave, rate, ENGINE_RATE))
                self._voices[speaker] = {"spk_smp": sample, "txt_smp": pauses(reference.text)}
        return self._voices[speaker]

    @functools.cached_property
    def _chat(self) -> Any:
        """The loaded engine."""
        try:
            import ChatTTS
        except (ImportError, OSError) as failure:
            remedy = f"It cannot be imported ({failure}): install the extra `tts` in an environment of its own and "
            raise HarkenError("speech.backend", "chattts", remedy + "name it in speech.chattts.python.") from None
        chat = self._unloaded or ChatTTS.Chat(_log)
        weights = self.settings.weights
        source = {"source": "custom", "custom_path": str(weights)} if weights else {"source": "huggingface"}
        device = self.settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        # It says False, and why in its log, where others raise.
        if not chat.load(**source, device=torch.device(device), compile=False):
            remedy = "ChatTTS did not load them: a file is missing or not the one that version 0.2.5 expects (its log"
            raise HarkenError("speech.chattts.weights", str(weights or "hub"), remedy + " names it).")
        self._keep_lengths(chat)
        return chat

    def _keep_lengths(self, chat: Any) -> None:
        """Keep every row's own part of a decoded batch, and its tokens: `infer` returns neither."""
        decode = chat._decode_to_wavs

        def decode_and_keep(results: list[torch.Tensor], use_decoder: bool) -> np.ndarray:
            tokens = [int(result.size(0)) for result in results]
            waves: np.ndarray = decode(results, use_decoder)
            longest = max(tokens, default=0)
            samples = [math.ceil(waves.shape[-1] * count / max(longest, 1)) for count in tokens]
            self._decoded = [
                (np.array(wave[:length], np.float32), count)
                for wave, length, count in zip(waves, samples, tokens, strict=True)
            ]
            return waves

        chat._decode_to_wavs = decode_and_keep

    def _reads(self, unit: str) -> bool:
        known = self._known.get(unit)
        if known is None:
            tokenizer = self._chat.tokenizer._tokenizer
            known = _READ.match(unit) is not None and tokenizer.unk_token not in tokenizer.tokenize(unit)
            self._known[unit] = known
        return known


def pauses(text: str) -> str:
    """``text`` with the punctuation that ChatTTS deletes turned into what it reads: commas, and spaces inside words.

    What is said or makes another word when it is missing stays, to be reported: &, % and apostrophes between letters.
    """
    characters = []
    for index, character in enumerate(text):
        if _READ.fullmatch(character) or character in _SAID or unicodedata.category(character)[0] not in "PZC":
            characters.append(character)
            continue
        inside = _is_latin(text[index - 1 : index]) and _is_latin(text[index + 1 : index + 2])
        if inside and character in "'’":
            characters.append(character)
        else:
            joins = character.isspace() or (inside and character in _JOINTS)
            characters.append(" " if joins else "，")
    return "".join(characters).strip("， ")


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _speed(rate: float) -> int:
    """ChatTTS's speed token for a rate factor: a step is taken as a tenth, which nobody has measured."""
    step = round(_NORMAL_SPEED + 10 * (rate - 1))
    return min(max(step, _SPEEDS.start), _SPEEDS.stop - 1)


@contextmanager
def _seeded(*purpose: object) -> Iterator[None]:
    """Random numbers that depend on the purpose only; the generators are put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(generator("chattts", *purpose).randrange(2**63))
        yield
