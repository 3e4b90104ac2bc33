"""What is done to speech after it was spoken: how often each kind of augmentation is drawn, and how strongly."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from harken.config import Fraction, Range, Section

CodecName = Literal["mu-law", "a-law", "gsm", "mp3", "vorbis", "opus"]

# kind -> the options that say how it is done; `<kind>_probability` says how often.
KINDS = {
    "speed": ("speed",),
    "room": ("room_decay_seconds", "room_direct_db"),
    "noise": ("noise_snr_db", "noise_folder", "noise_folder_share"),
    "codec": ("codecs", "codec_compression"),
    "gain": ("gain_db",),
}
LOSSY = frozenset({"mp3", "vorbis", "opus"})


def _within(least: float, most: float) -> AfterValidator:
    def check(limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] < least or limits[1] > most:
            raise ValueError(f"keep it between {least:g} and {most:g}")
        return limits

    return AfterValidator(check)


class AugmentationSettings(Section):
    """Each kind is drawn per row with its probability; they are applied in the order in which they stand here."""

    speed_probability: Fraction = 0.0
    speed: Annotated[Range, _within(0.5, 2.0)] = Field(
        (0.9, 1.1), description="factor; tempo, pitch and formants move together (voices.rate moves the tempo alone)"
    )
    room_probability: Fraction = 0.0
    room_decay_seconds: Annotated[Range, _within(0.02, 2.0)] = Field(
        (0.15, 0.6), description="RT60 of the simulated room: how long a sound takes to fall by 60 dB"
    )
    room_direct_db: Range = Field((0.0, 12.0), description="direct sound over reverberation; less is farther away")
    noise_probability: Fraction = 0.5
    noise_snr_db: Range = (12.0, 35.0)
    noise_folder: Path | None = Field(
        None, description="WAV and FLAC recordings of noise, also in folders inside it; None has coloured noise only"
    )
    noise_folder_share: Fraction = Field(1.0, description="of the noisy rows; the others get coloured noise")
    codec_probability: Fraction = 0.0
    codecs: tuple[CodecName, ...] = Field(
        ("mu-law", "a-law", "gsm", "mp3", "opus"),
        min_length=1,
        description="one is drawn; the first three are telephone lines of 300 to 3400 Hz",
    )
    codec_compression: Annotated[Range, _within(0.0, 1.0)] = Field(
        (0.0, 1.0), description="of mp3, vorbis and opus: 0 is the lightest in use for speech, 1 the heaviest"
    )
    gain_probability: Fraction = 1.0
    gain_db: Range = Field((-12.0, 0.0), description="a gain above 0 ends where the wave would clip")

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "AugmentationSettings":
        for kind, options in KINDS.items():
            probability = f"{kind}_probability"
            # A probability of 0 that somebody wrote switches the kind off; one that nobody wrote was forgotten.
            if getattr(self, probability) == 0 and probability not in self.model_fields_set:
                for option in options:
                    if option in self.model_fields_set:
                        raise ValueError(f"{option} has no effect while {probability} is 0: set it as well")
        if self.differs("noise_folder_share") and self.noise_folder is None:
            raise ValueError("noise_folder_share has no effect without noise_folder")
        if self.differs("codec_compression") and not LOSSY & set(self.codecs):
            raise ValueError(f"codec_compression has no effect on {', '.join(self.codecs)}")
        return self

    def deciding(self) -> dict[str, Any]:
        """The options that decide what is heard: none of a kind that is never drawn, and not where the noise lies."""
        without = {"noise_folder"} if self.noise_folder else {"noise_folder", "noise_folder_share"}
        for kind, options in KINDS.items():
            if getattr(self, f"{kind}_probability") == 0:
                without |= {f"{kind}_probability", *options}
        return self.model_dump(mode="json", exclude=without)
