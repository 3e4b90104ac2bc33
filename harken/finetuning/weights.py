"""What every token of a label weighs in the loss: more inside a keyword mention, so that rare terms are not drowned."""

from collections.abc import Sequence

from harken.keywords import Keyword, KeywordMatcher
from harken.whisper import Whisper


class KeywordWeights:
    """Weighs a text's tokens; a token that shares a character with a mention belongs to it.

    The loss divides by the weights' sum, so 1.0 is the plain mean over tokens and the learning rate keeps its meaning.
    """

    def __init__(self, whisper: Whisper, keywords: Sequence[Keyword], weight: float) -> None:
        self._tokenizer = whisper.processor.tokenizer
        self._matcher = KeywordMatcher(list(keywords))
        self._weight = weight

    def __call__(self, text: str) -> tuple[float, ...]:
        """One weight for each of `Whisper.text_tokens`; the end's is 1."""
        mentions = self._matcher.find(text)
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        inside = (
            any(start < mention.end and end > mention.start for mention in mentions)
            for start, end in encoded["offset_mapping"]
        )
        return (*(self._weight if found else 1.0 for found in inside), 1.0)
