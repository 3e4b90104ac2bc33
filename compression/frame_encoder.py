"""Encoder frames made when they are asked for: the way to train on a model whose hidden states are too big to store."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor

from compression.features import check_layers, keyword_frames, utterance_frames
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings
from harken.whisper import Whisper


class EncodedFrames:
    """A `FrameSource` over recordings: decodes and encodes one when it is asked for, and keeps those used last.

    Args:
        whisper: whose encoder it is.
        keyword_audio: encoded audio (FLAC, WAV, ...) of each keyword recording.
        utterance_audio: the same of each utterance.
        layers: encoder layers to give, counted from 1, ascending.
        enrolment: how keywords become frames.
        cache_bytes: memory for the frames that are kept; the recording asked for last stays whatever its size.

    Raises:
        HarkenError: layers that the encoder does not have.
    """

    def __init__(
        self,
        whisper: Whisper,
        keyword_audio: Mapping[str, bytes],
        utterance_audio: Mapping[str, bytes],
        layers: Sequence[int],
        enrolment: EnrolmentSettings,
        cache_bytes: int = 2**30,
    ) -> None:
        check_layers(whisper, layers)
        self.whisper, self.layers, self.enrolment = whisper, tuple(layers), enrolment
        self.cache_bytes, self.cached_bytes = cache_bytes, 0
        self._audio = {"keyword": keyword_audio, "utterance": utterance_audio}
        self._cache: OrderedDict[tuple[str, str], Tensor] = OrderedDict()

    def keyword(self, name: str) -> Tensor:
        """A keyword recording's frames, float16 (layers, frames, width) on the CPU, as `StoredFrames` gives them.

        Raises:
            HarkenError: an unknown name, or audio that cannot be encoded; the error names the recording.
        """
        return self._recording("keyword", name)

    def utterance(self, name: str) -> Tensor:
        """An utterance's frames, as `keyword`."""
        return self._recording("utterance", name)

    def _recording(self, kind: str, name: str) -> Tensor:
        key = (kind, name)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        frames = self._encode(kind, name)
        self._cache[key] = frames
        self.cached_bytes += frames.nbytes
        while self.cached_bytes > self.cache_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self.cached_bytes -= oldest.nbytes
        return frames

    def _encode(self, kind: str, name: str) -> Tensor:
        audio = self._audio[kind].get(name)
        if audio is None:
            raise HarkenError(kind, name, "There is no recording of this name.")
        wave, rate = decode_audio(audio, name=name)
        wave = resample(wave, rate, SAMPLE_RATE)
        try:
            if kind == "keyword":
                (frames,) = keyword_frames(self.whisper, [wave], self.layers, self.enrolment)
            else:
                (frames,) = utterance_frames(self.whisper, [wave], self.layers)
        except HarkenError as failure:
            raise HarkenError(f"{kind} recording", name, str(failure)) from None
        return frames.half().cpu()
