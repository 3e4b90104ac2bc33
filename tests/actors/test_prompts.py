"""The prompt builder against section 6.3 of the first paper."""

from collections import Counter

import pytest

from actors.prompts import PromptBuilder, SeedSentence
from harken.errors import HarkenError
from harken.keywords import Keyword
from harken.records import row_id

SENTENCES = [SeedSentence(f"s{index}", f"第{index}句") for index in range(12)]
KEYWORDS = [Keyword(f"series {index}", "SERIES") for index in range(50)] + [
    Keyword(f"social {index}", "SOCIAL") for index in range(3)
]


def builder(sampling: str, **changes: int) -> PromptBuilder:
    options = {"sentences_per_prompt": 5, "keywords_per_category": 8} | changes
    return PromptBuilder(SENTENCES, KEYWORDS, sampling=sampling, seed=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sampling", ["paper", "coverage"])
def test_five_sentences_and_eight_keywords_or_the_whole_category(sampling: str) -> None:
    for index in range(40):
        prompt = builder(sampling).build(row_id("f", 0, index), index)
        assert len(set(prompt.sentences)) == 5
        assert len(set(prompt.keywords["SERIES"])) == 8
        assert sorted(prompt.keywords["SOCIAL"]) == ["social 0", "social 1", "social 2"]


def test_the_prompt_text_holds_sentences_by_line_and_keywords_by_comma() -> None:
    prompt = builder("paper").build("x", 0)
    assert "\n".join(sentence.text for sentence in prompt.sentences) in prompt.text
    for category, terms in prompt.keywords.items():
        assert f"{category}: {', '.join(terms)}" in prompt.text


@pytest.mark.parametrize("sampling", ["paper", "coverage"])
def test_a_prompt_can_be_made_again_from_its_row(sampling: str) -> None:
    assert builder(sampling).build("x", 3) == builder(sampling).build("x", 3)
    assert builder(sampling).build("x", 3) != builder(sampling).build("y", 4)


def test_coverage_shows_every_term_nearly_equally_often() -> None:
    made = builder("coverage")
    shown = Counter(term for index in range(100) for term in made.build(f"{index}", index).keywords["SERIES"])
    assert len(shown) == 50
    assert max(shown.values()) - min(shown.values()) <= 4


def test_the_papers_scheme_draws_unevenly() -> None:
    made = builder("paper")
    shown = Counter(term for index in range(100) for term in made.build(f"{index}", index).keywords["SERIES"])
    assert max(shown.values()) - min(shown.values()) > 8


def test_nothing_to_imitate_or_to_say_is_an_error() -> None:
    with pytest.raises(HarkenError, match="seed sentences"):
        PromptBuilder([], KEYWORDS, sentences_per_prompt=5, keywords_per_category=8, sampling="paper", seed=0)
    with pytest.raises(HarkenError, match="keywords"):
        PromptBuilder(SENTENCES, [], sentences_per_prompt=5, keywords_per_category=8, sampling="paper", seed=0)
