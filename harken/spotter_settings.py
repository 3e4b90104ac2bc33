"""The keyword spotter: the encoder it listens to, how it compresses and verifies, how it is trained."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from harken.config import Section

Variant = Literal["baseline", "L", "LH", "LHF"]
Precision = Literal["float32", "float16", "int8"]

# Frames per frame after each variant's compression.
_FRAME_FACTOR: dict[Variant, int] = {"baseline": 1, "L": 1, "LH": 1, "LHF": 2}


class EncoderShape(Section):
    """The Whisper encoder whose hidden states are compared; the defaults are large-v2's."""

    layers: PositiveInt = 32
    width: PositiveInt = 1280
    window_frames: PositiveInt = Field(1500, description="positions of the whole window")
    frames_per_second: PositiveFloat = 50.0


class EnrolmentSettings(Section):
    """How a term's own audio becomes frames."""

    padding_seconds: NonNegativeFloat | None = Field(
        0.5, description="silence encoded after the term, so that 1 s costs no 30 s; null: the model's whole window"
    )
    trim_db: PositiveFloat | None = Field(
        40.0, description="silence this far below the loudest 10 ms is cut off both ends; null: keep it"
    )


class ProjectionSettings(Section):
    """One hidden layer per encoder layer, from the encoder's width to `size` (second paper, section 2.3)."""

    hidden: PositiveInt = Field(640, description="hidden units")
    size: PositiveInt = Field(64, description="values kept per frame and layer")


class CompressionSettings(Section):
    """What is kept of the encoder's hidden states (second paper, sections 2.2-2.4).

    'baseline' keeps every layer as it is; 'L' learns which layers to keep; 'LH' projects each layer's frames to
    fewer values; 'LHF' halves the frame rate on top.
    """

    variant: Variant
    layers: tuple[PositiveInt, ...] | None = Field(
        None, description="encoder layers counted from 1, ascending; null: all, as baseline and L start from"
    )
    projection: ProjectionSettings | None = Field(None, description="of LH and LHF, which need it")
    centred: bool = Field(
        True, description="subtract each position's mean over the training set: position outweighs the sound otherwise"
    )

    @model_validator(mode="after")
    def _parts_fit_the_variant(self) -> "CompressionSettings":
        if self.variant in ("LH", "LHF") and self.projection is None:
            raise ValueError(f"variant {self.variant} needs a projection: give compression.projection.size")
        if self.variant in ("baseline", "L") and self.projection is not None:
            raise ValueError(f"projection has no effect with variant {self.variant}: use LH or LHF, or leave it out")
        if self.layers is not None and (not self.layers or list(self.layers) != sorted(set(self.layers))):
            raise ValueError(f"layers must name at least one and ascend without repetition, not {list(self.layers)}")
        return self

    @property
    def frame_factor(self) -> int:
        """Encoder frames per frame that is kept: 2 for LHF, else 1."""
        return _FRAME_FACTOR[self.variant]


class VerifierSettings(Section):
    """The residual network that looks for a diagonal in the similarity maps (second paper, section 2.1)."""

    keyword_seconds: PositiveFloat = Field(3.0, description="rows of a map: the longest term")
    crop_seconds: PositiveFloat | None = Field(
        None, description="columns of a map, around the best diagonal; null: the encoder's whole window"
    )
    block: Literal["basic", "bottleneck"] = "basic"
    blocks: tuple[PositiveInt, ...] = Field((1, 1, 1), min_length=1, description="residual blocks of each stage")
    widths: tuple[PositiveInt, ...] = Field((16, 32, 64), description="channels of each stage, before expansion")
    stem: Literal["small", "imagenet"] = Field(
        "small", description="'small': 3x3 at full resolution; 'imagenet': 7x7 stride 2 and max pooling"
    )

    @model_validator(mode="after")
    def _stages_agree(self) -> "VerifierSettings":
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks names {len(self.blocks)} stages and widths {len(self.widths)}: give as many")
        return self


class SpotterSettings(Section):
    """One keyword spotter: encoder, compression, verifier."""

    encoder: EncoderShape = EncoderShape()
    enrolment: EnrolmentSettings = EnrolmentSettings()
    compression: CompressionSettings
    verifier: VerifierSettings = VerifierSettings()

    @model_validator(mode="after")
    def _the_encoder_has_these(self) -> "SpotterSettings":
        layers, window = self.compression.layers, self.encoder.window_frames / self.encoder.frames_per_second
        if layers is not None and layers[-1] > self.encoder.layers:
            raise ValueError(f"compression.layers names layer {layers[-1]}; the encoder has {self.encoder.layers}")
        if self.verifier.keyword_seconds > window:
            raise ValueError(f"verifier.keyword_seconds is above the encoder's window of {window:g} s")
        if self.verifier.crop_seconds is not None and not (
            self.verifier.keyword_seconds <= self.verifier.crop_seconds <= window
        ):
            raise ValueError(f"verifier.crop_seconds must lie between keyword_seconds and the window of {window:g} s")
        return self

    @property
    def layers(self) -> tuple[int, ...]:
        """The encoder layers that are compared, counted from 1."""
        return self.compression.layers or tuple(range(1, self.encoder.layers + 1))

    @property
    def frame_size(self) -> int:
        """Values per kept frame and layer."""
        projection = self.compression.projection
        return self.encoder.width if projection is None else projection.size

    @property
    def keyword_frames(self) -> int:
        """Rows of a similarity map: kept frames of the longest term (150 in the paper, 75 for LHF)."""
        return self._kept(self.verifier.keyword_seconds)

    @property
    def map_columns(self) -> int:
        """Columns of a similarity map as the verifier sees it (1500 in the paper, 750 for LHF)."""
        window = self.encoder.window_frames / self.encoder.frames_per_second
        return self._kept(self.verifier.crop_seconds or window)

    def with_layers(
        self, layers: tuple[int, ...], variant: Variant, projection: ProjectionSettings | None = None
    ) -> "SpotterSettings":
        """These settings on other layers, such as those a trained gate selected, for the same or the next variant."""
        compression = CompressionSettings(
            variant=variant, layers=layers, projection=projection, centred=self.compression.centred
        )
        return SpotterSettings(
            encoder=self.encoder, enrolment=self.enrolment, compression=compression, verifier=self.verifier
        )

    def _kept(self, seconds: float) -> int:
        # Rounded first: 3.2 s at 25 Hz are 80 frames, whatever the product's last bit says.
        return -(-round(seconds * self.encoder.frames_per_second) // self.compression.frame_factor)


class SpotterTrainingSettings(Section):
    """How the spotter learns from pairs of a keyword's and an utterance's frames."""

    epochs: PositiveInt = 40
    batch_pairs: PositiveInt = Field(32, description="pairs whose maps are in memory at once")
    accumulation: PositiveInt = Field(1, description="batches whose gradients make one step")
    learning_rate: PositiveFloat = Field(1e-3, description="of the verifier")
    compression_learning_rate: PositiveFloat = Field(1e-3, description="of the projection and the convolution")
    gate_learning_rate: PositiveFloat = Field(1e-2, description="of the layers' scores")
    final_learning_rate: NonNegativeFloat = Field(
        0.01, le=1.0, description="share of each rate that the cosine schedule ends at"
    )
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: NonNegativeFloat = 0.01
    gradient_norm: PositiveFloat = 2.0
    entropy_weight: NonNegativeFloat = Field(0.05, description="of the gate's entropy beside the BCE; L only")
    entropy_warmup: float = Field(
        0.3, ge=0.0, le=1.0, description="share of the training over which that weight grows from 0; L only"
    )
    beta: PositiveFloat = Field(
        1.0, description="the threshold maximises F-beta on validation; F1 picks the checkpoint"
    )
    patience: PositiveInt = Field(
        10, description="epochs without a better validation F1 before training stops; not L, whose gate takes them all"
    )
    checkpoint_steps: PositiveInt = Field(200, description="steps between resumable states inside an epoch")
    bfloat16: bool = Field(False, description="autocast for projection and verifier; maps stay float32")
    seed: int = 0


def paper_spotter(variant: Variant) -> SpotterSettings:
    """The second paper's system on Whisper-large-v2: ResNet-50 on full maps, layers 14, 16 and 32 once selected."""
    compression = (
        CompressionSettings(variant=variant, centred=False)
        if variant in ("baseline", "L")
        else CompressionSettings(
            variant=variant, layers=(14, 16, 32), projection=ProjectionSettings(hidden=640, size=64), centred=False
        )
    )
    return SpotterSettings(
        enrolment=EnrolmentSettings(padding_seconds=None, trim_db=None),
        compression=compression,
        verifier=VerifierSettings(block="bottleneck", blocks=(3, 4, 6, 3), widths=(64, 128, 256, 512), stem="imagenet"),
    )


def paper_training() -> SpotterTrainingSettings:
    """The hyperparameters of the second paper's code; its entropy weight and gate learning rate are not published."""
    return SpotterTrainingSettings(
        epochs=800,
        batch_pairs=40,
        accumulation=32,
        learning_rate=5e-5,
        compression_learning_rate=5e-5,
        weight_decay=0.0,
        entropy_warmup=0.0,
        beta=2.0,
        patience=80,
        bfloat16=True,
    )


def nano_spotter(variant: Variant, layers: tuple[int, ...] | None = None) -> SpotterSettings:
    """A spotter for the embedded nano-Whisper: cropped maps and a small verifier, for two CPU cores."""
    projects = variant in ("LH", "LHF")
    return SpotterSettings(
        encoder=EncoderShape(layers=4, width=256, window_frames=250, frames_per_second=25.0),
        compression=CompressionSettings(
            variant=variant, layers=layers, projection=ProjectionSettings(hidden=128, size=32) if projects else None
        ),
        verifier=VerifierSettings(keyword_seconds=3.2, crop_seconds=5.12),
    )
