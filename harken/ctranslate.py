"""CTranslate2, the runtime under faster-whisper: writing a Whisper folder in its format, and decoding with it.

Needs the extra `faster`. faster-whisper itself pads everything to 30 s, so it reads models of that window only;
`FastWhisper` reads any.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harken.errors import HarkenError
from harken.whisper import Whisper

Quantization = Literal["float32", "float16", "bfloat16", "int8", "int8_float16", "int8_bfloat16"]

# faster-whisper's own constant.
_FASTER_WHISPER_FRAMES = 3000


def convert(whisper: Whisper, model: Path, folder: Path, quantization: Quantization) -> None:
    """Write the Whisper folder `model`, loaded as `whisper`, into `folder` as faster-whisper reads it.

    Raises:
        HarkenError: CTranslate2 is not installed, or cannot convert the model.
    """
    _library()
    from ctranslate2.converters import TransformersConverter

    try:
        TransformersConverter(str(model)).convert(str(folder), quantization=quantization, force=True)
    except (ValueError, RuntimeError, KeyError, AttributeError) as failure:
        remedy = f"CTranslate2 cannot convert it ({failure}): export another format, or another version of ctranslate2."
        raise HarkenError("model folder", str(model), remedy) from failure
    # faster-whisper reads the features' settings and the tokenizer from files of these names.
    extractor = json.dumps(whisper.processor.feature_extractor.to_dict(), indent=2)
    (folder / "preprocessor_config.json").write_text(extractor + "\n", encoding="utf-8")
    shutil.copyfile(model / "tokenizer.json", folder / "tokenizer.json")


def for_faster_whisper(whisper: Whisper) -> bool:
    """Whether faster-whisper can run a model with this window; it is 30 s in steps of 10 ms for OpenAI's."""
    return whisper.window_frames == _FASTER_WHISPER_FRAMES


class FastWhisper:
    """A converted model that hears what `Whisper.decode` hears: greedily, from the same features.

    Raises:
        HarkenError: CTranslate2 is not installed, or the folder holds no converted model.
    """

    def __init__(self, folder: Path, whisper: Whisper) -> None:
        library = _library()
        self._whisper = whisper
        self._storage = library.StorageView
        try:
            self._model = library.models.Whisper(str(folder), device=whisper.device.type)
        except (ValueError, RuntimeError) as failure:
            raise HarkenError("CTranslate2 folder", str(folder), f"It cannot be loaded ({failure}).") from None

    def transcribe(self, waves: Sequence[np.ndarray], language: str, max_new_tokens: int) -> list[str]:
        """What is said in each 16 kHz mono wave, none longer than the model's window, as one batch."""
        prompt = self._whisper.prompt_tokens(language)
        limit = min(max_new_tokens, self._whisper.model.config.max_target_positions - len(prompt))
        # Resampling may have rounded a length up by a sample.
        windows = [wave[: self._whisper.window_samples] for wave in waves]
        features = self._storage.from_array(np.ascontiguousarray(self._whisper.features(windows).numpy()))
        # CTranslate2 writes at most half of max_length, and what the prompt leaves of it.
        longest = max(2 * limit, len(prompt) + limit)
        results = self._model.generate(
            features, [prompt] * len(waves), beam_size=1, max_length=longest, suppress_tokens=[-1]
        )
        tokenizer = self._whisper.processor.tokenizer
        found = (result.sequences_ids[0] for result in results)
        return [tokenizer.decode(list(tokens), skip_special_tokens=True).strip() for tokens in found]


def _library() -> Any:
    try:
        import ctranslate2
    except ImportError as failure:
        remedy = f"It cannot be imported ({failure}): pip install 'ctranslate2>=4.8,<5' (the extra `faster`)."
        raise HarkenError("package", "ctranslate2", remedy) from None
    return ctranslate2
