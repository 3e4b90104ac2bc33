"""What a spotter must know of a Whisper's encoder, read from its configuration without its weights."""

from transformers import WhisperConfig, WhisperFeatureExtractor

from harken.model_folder import locate_model
from harken.spotter_settings import EncoderShape


def read_encoder_shape(model: str) -> EncoderShape:
    """The encoder's depth, width and window of a Whisper folder or hub id.

    Raises:
        HarkenError: no such model, or an incomplete folder.
    """
    folder = locate_model(model)
    config = WhisperConfig.from_pretrained(folder)
    seconds = WhisperFeatureExtractor.from_pretrained(folder).chunk_length
    return EncoderShape(
        layers=config.encoder_layers,
        width=config.d_model,
        window_frames=config.max_source_positions,
        frames_per_second=config.max_source_positions / seconds,
    )
