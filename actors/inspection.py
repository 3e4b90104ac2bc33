"""Whether a label that an LLM wrote is fit to be spoken: its keywords, length and characters, no refusal, no echo."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from actors.schedule import Targets
from harken.keywords import KeywordMatcher
from harken.text import bare, is_han

# What may be spoken or tells a voice where to pause; characters of the seeds and keywords are allowed as well.
PUNCTUATION = frozenset(" ,.!?;:'\"-/%&+()~，。！？；：、（）“”‘’《》—…·～％")

# Openings and turns of phrase of a model that speaks of itself; a note about a customer holds none of them.
REFUSAL = re.compile(
    r"作为(一个|一名|一款)?\s*(AI|人工智能|大?语言模型|智能助手)"
    r"|^(很|非常)?(抱歉|对不起|不好意思)[，,]?\s*(我|作为|该|这|无法|不能)"
    r"|我(无法|不能)(生成|提供|回答|协助|满足|完成|为您|继续)"
    r"|\bas an? (AI|artificial|large language|language model)\b"
    r"|^\W*(I'?m|I am) (sorry|unable|not able)\b|^\W*sorry, (but )?I\b"
    r"|\bI (cannot|can'?t|won'?t) (help|assist|comply|provide|create|generate|write|fulfil)",
    re.IGNORECASE,
)

# A run of the prompt's own words this long is no coincidence.
ECHO_CHARACTERS = 12


class LabelInspector:
    """Finds what is wrong with a label, if anything; depends on the label and its prompt only."""

    def __init__(
        self, matcher: KeywordMatcher, sentences: Iterable[str], least: int, most: int, instruction: str
    ) -> None:
        self.matcher = matcher
        self.least, self.most = least, most
        sentences = list(sentences)
        known = "".join([*sentences, *(keyword.term for keyword in matcher.keywords)])
        self.allowed = PUNCTUATION | set(unicodedata.normalize("NFC", known))
        self.seeds = {bare(sentence) for sentence in sentences}
        words = bare(instruction)
        self.echoes = {words[start : start + ECHO_CHARACTERS] for start in range(len(words) - ECHO_CHARACTERS + 1)}

    def inspect(self, text: str, claimed: Sequence[str], targets: Targets) -> tuple[list[dict[str, str]], str | None]:
        """The keywords that ``text`` mentions (in order, each once) and the first thing wrong with it.

        ``claimed`` are the terms the model says it used; ``targets`` the ones it was asked to use. What is wrong
        starts with its cause: 'refusal', 'prompt echo', 'length', 'character set', 'keyword lost', 'no keyword'.
        """
        mentions = self.matcher.find(text)
        found = {(mention.term, mention.category): None for mention in mentions}
        keywords = [{"term": term, "category": category} for term, category in found]
        return keywords, self._objection(text, claimed, targets, {term for term, _ in found})

    def _objection(self, text: str, claimed: Sequence[str], targets: Targets, found: set[str]) -> str | None:
        content = bare(text)
        if REFUSAL.search(text.strip()):
            return f"refusal: {text[:60]}"
        if content in self.seeds:
            return "prompt echo: the label is one of the seed sentences"
        if any(content[start : start + ECHO_CHARACTERS] in self.echoes for start in range(len(content))):
            return f"prompt echo: {text[:60]}"
        if not self.least <= len(content) <= self.most:
            return f"length: {len(content)} characters, {self.least} to {self.most} are allowed"
        if strange := sorted({character for character in text if not self._is_allowed(character)}):
            return f"character set: {' '.join(map(repr, strange[:5]))}"
        if missing := [keyword.term for keyword in targets if keyword.term not in found]:
            return f"keyword lost: {', '.join(missing)}"
        if missing := [claim for claim in claimed if not self._contains(text, claim, found)]:
            return f"keyword lost: {', '.join(missing)}"
        return None if found else "no keyword: the label mentions no term of the vocabulary"

    def _is_allowed(self, character: str) -> bool:
        if is_han(character) or character in self.allowed:
            return True
        return character.isascii() and character.isalnum()

    def _contains(self, text: str, claim: str, found: set[str]) -> bool:
        """True when the claimed term is in the text; a claim that is no term of the vocabulary is read literally."""
        terms = {mention.term for mention in self.matcher.find(claim)}
        return terms <= found if terms else bare(claim) in bare(text)
