"""How text becomes speech: the backend, its own options, the voices and how widely they vary."""

import re
import string
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from harken.augmentation_settings import AugmentationSettings
from harken.config import Range, Section

# What a command template may hold; {{ and }} stand for braces.
PLACEHOLDERS = frozenset({"text", "text_file", "speaker", "output", "rate", "pitch", "seed", "language", "accent"})


class VoiceSettings(Section):
    """Which voices speak and how widely they vary; a variation that the backend cannot make is an error."""

    speakers: tuple[str, ...] = Field(min_length=1)
    rate: Range = Field((0.8, 1.2), description="factor on the voice's normal rate")
    pitch: Range = Field((-4.0, 4.0), description="semitones around the voice's normal pitch")
    intonation: Range = Field((0.6, 1.4), description="factor on the voice's intonation range")
    accents: tuple[str, ...] = Field((), description="accents or dialects drawn per row, for backends that take one")
    augmentation: AugmentationSettings = AugmentationSettings()

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what is heard."""
        return self.model_dump(mode="json", exclude={"augmentation"}) | {"augmentation": self.augmentation.deciding()}


class LicenceSettings(Section):
    """What the user states about a served or local model; unknown voices stay out of commercial exports."""

    code: str = "unknown"
    weights: str = "unknown"
    output_use: str = "unknown"
    commercial: bool | None = Field(None, description="may the audio be used commercially? None: not known")


class ServedModelSettings(Section):
    """What cannot be asked of a model behind a server or a command, so that the user states it."""

    languages: tuple[str, ...] = Field((), description="languages the model speaks; empty: not checked")
    max_characters: PositiveInt = Field(4096, description="longer texts fail before they are sent")
    drops: str | None = Field(None, description="regular expression of characters the model leaves out, e.g. [0-9é]")
    phonemes: bool = Field(False, description="the model reads [[...]] in a text as phonemes, as Piper does")
    concurrency: PositiveInt = Field(4, description="requests in flight per worker")
    timeout_seconds: PositiveFloat = 60.0
    licence: LicenceSettings = LicenceSettings()

    @field_validator("drops")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as failure:
                raise ValueError(f"{pattern!r} is not a regular expression: {failure}") from None
        return pattern


class OpenAISpeechSettings(ServedModelSettings):
    """A server that answers POST {base_url}/audio/speech as OpenAI does (vLLM, speaches, ...)."""

    base_url: str = Field(description="such as http://localhost:8000/v1")
    model: str
    api_key_env: str | None = Field(
        "OPENAI_API_KEY", description="environment variable that holds the key; null for a server without keys"
    )
    format: Literal["wav", "flac", "pcm"] = "wav"
    pcm_sample_rate: PositiveInt = Field(24_000, description="of 16-bit little-endian mono; only for format: pcm")
    instructions: str | None = Field(None, description="how to speak, for models that take instructions")
    accent_instruction: str | None = Field(
        None, description="such as 'Speak with a {accent} accent.'; enables voices.accents"
    )
    sends_seed: bool = Field(False, description="add the row's seed to the request; not every server takes it")
    sends_rate: bool = Field(True, description="send the row's rate as `speed`")
    retries: int = Field(4, ge=0, description="of 408, 409, 429, 5xx and lost connections; Retry-After is honoured")

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "OpenAISpeechSettings":
        if self.differs("pcm_sample_rate") and self.format != "pcm":
            raise ValueError(f"pcm_sample_rate has no effect with format {self.format}")
        if self.accent_instruction is not None and "{accent}" not in self.accent_instruction:
            raise ValueError("accent_instruction must hold {accent}")
        return self


class CommandSpeechSettings(ServedModelSettings):
    """Any program that reads a text and writes an audio file; started without a shell."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="program and arguments with {text} or {text_file}, {output}, and if it takes them {speaker} "
        "{rate} {pitch} {seed} {language} {accent}",
    )
    suffix: str = Field(".wav", pattern=r"^\.[a-z0-9]+$", description="of the file the program writes")
    rate_scale: PositiveFloat = Field(1.0, description="{rate} is the row's factor times this, e.g. 175 words a minute")

    @field_validator("command")
    @classmethod
    def _holds_what_it_needs(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        used = placeholders(command)
        unknown = sorted(used - PLACEHOLDERS)
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
            raise ValueError(f"unknown placeholder {{{unknown[0]}}}; known: {known}")
        if "output" not in used or not used & {"text", "text_file"}:
            raise ValueError("the command needs {output} and one of {text}, {text_file}")
        return command

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "CommandSpeechSettings":
        if self.differs("rate_scale") and "rate" not in placeholders(self.command):
            raise ValueError("rate_scale has no effect: the command does not use {rate}")
        return self


class ReferenceVoice(Section):
    """A real recording whose voice, accent and noise are cloned, and what is said in it."""

    audio: Path
    text: str = Field(min_length=1)
    accent: str = ""


class ChatTTSSettings(Section):
    """ChatTTS 0.2.5: sampled voices (any speaker name) and voices cloned from recordings."""

    weights: Path | None = Field(None, description="folder that holds ChatTTS's asset/; null loads from the hub")
    references: dict[str, ReferenceVoice] = Field({}, description="speaker name -> recording to clone")
    batch_size: PositiveInt = Field(16, description="texts of one speaker in one forward pass")
    max_new_tokens: PositiveInt = Field(2048, description="47 tokens are a second; longer speech is truncated")
    temperature: PositiveFloat = 0.3
    device: Literal["auto", "cpu", "cuda"] = "auto"
    python: Path | None = Field(
        None, description="interpreter of an environment of ChatTTS's own, the same path on every node"
    )


class SpeechSettings(Section):
    """Speech synthesis of labels, replay sentences and text-only test sets."""

    backend: Literal["espeak", "flite", "openai", "command", "chattts"] = "espeak"
    openai: OpenAISpeechSettings | None = None
    command: CommandSpeechSettings | None = None
    chattts: ChatTTSSettings | None = None
    language: str = Field("cmn", description="checked against what the backend speaks; {language} of a command")
    voices: VoiceSettings
    max_seconds: PositiveFloat = Field(30.0, description="longer speech gets a verdict, not silently cut")
    workers: PositiveInt = 1
    gpus_per_worker: float = Field(0.0, ge=0.0, description="share of a GPU Ray reserves for each worker")

    @model_validator(mode="before")
    @classmethod
    def _sections_fit_the_backend(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        backend = values.get("backend", "espeak")
        for section in ("openai", "command", "chattts"):
            if section != backend and values.get(section) is not None:
                raise ValueError(f"speech.{section} has no effect with speech.backend {backend!r}: delete one of them")
        if backend in ("openai", "command") and values.get(backend) is None:
            raise ValueError(f"speech.backend {backend!r} needs its section speech.{backend}")
        if backend == "chattts" and values.get(backend) is None:
            return values | {"chattts": {}}
        return values


def placeholders(command: tuple[str, ...]) -> set[str]:
    """The names between braces in the arguments of a command.

    Raises:
        ValueError: an argument is no valid template.
    """
    names = set()
    for argument in command:
        try:
            fields = list(string.Formatter().parse(argument))
        except ValueError as failure:
            raise ValueError(f"{argument!r}: {failure}; write {{{{ and }}}} for braces") from None
        for _, name, specification, conversion in fields:
            if name is not None:
                if specification or conversion or not name.isidentifier():
                    raise ValueError(f"{argument!r}: write a placeholder as {{name}} only")
                names.add(name)
    return names
