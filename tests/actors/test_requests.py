"""What an LLM is asked: the paper's shape, the planned terms, and the same again from the same rows."""

from pathlib import Path

from actors.answers import EXAMPLE
from actors.prompts import SeedSentence
from actors.requests import WORDINGS, LabelRequest, RequestBuilder
from harken.config import load_config
from harken.keywords import load_keywords
from harken.records import Row, read_manifest, row_id
from harken.settings import PipelineSettings

ROOT = Path(__file__).resolve().parents[2]


def builder(*overrides: str) -> RequestBuilder:
    settings = load_config(ROOT / "configs" / "paper.yaml", overrides, PipelineSettings)
    keywords = load_keywords(ROOT / settings.keywords.path, settings.keywords.categories)
    seeds = [SeedSentence(row["id"], row["text"]) for row in read_manifest(ROOT / settings.labels.seeds)]
    return RequestBuilder(settings.labels, seeds, keywords, settings.run.seed)


def rows(*indices: int) -> list[Row]:
    return [{"id": row_id("f", 0, index), "index": index} for index in indices]


def offers(request: LabelRequest) -> dict[str, list[str]]:
    lists = request.text.split("\n\n")[2].splitlines()[1:]
    return {category: terms.split(", ") for category, terms in (line.split(": ", 1) for line in lists)}


def test_the_papers_preset_shows_five_sentences_and_eight_terms_of_each_category() -> None:
    request = builder().build(rows(4), 0)
    shown = request.text.split("\n\n")[1].splitlines()[1:]
    assert shown == [sentence.text for sentence in request.sentences]
    assert len(set(shown)) == 5
    counts = {category: len(set(terms)) for category, terms in offers(request).items()}
    assert counts.pop("SOCIAL") == 3, "all of a category that has fewer than eight"
    assert set(counts.values()) == {8}
    assert request.targets == ((),)
    assert request.text.rstrip().endswith(EXAMPLE)


def test_every_ask_draws_anew_and_can_be_made_again() -> None:
    made = builder()
    first = made.build(rows(4), 0)
    assert first == builder().build(rows(4), 0)
    assert offers(first) != offers(made.build(rows(4), 1))
    assert offers(first) != offers(made.build(rows(5), 0))
    retried = [row | {"round": 1, "targets": None} for row in rows(4)]
    assert offers(first) != offers(made.build(retried, 0))


def test_coverage_names_the_terms_of_each_label() -> None:
    made = builder("labels.sampling=coverage")
    request = made.build(rows(3, 4), 0)
    assert request.targets == (made.schedule.targets(3), made.schedule.targets(4))
    lines = request.text.split("\n\n")[2].splitlines()[1:]
    for number, (line, targets) in enumerate(zip(lines, request.targets, strict=True), start=1):
        assert line == f"{number}. " + "、".join(f"{target.term} ({target.category})" for target in targets)
    chosen = [{"term": "speedy 20", "category": "SERIES"}]
    retried = made.build([rows(3)[0] | {"round": 1, "targets": chosen}], 0)
    assert "1. speedy 20 (SERIES)\n" in retried.text


def test_the_instruction_and_the_language_can_be_replaced() -> None:
    assert builder("labels.llm.instruction=Write notes.").build(rows(0), 0).text.startswith("Write notes.\n\n")
    english = builder("labels.llm.language=en").build(rows(0), 0).text
    assert english.startswith(WORDINGS["en"].instruction)
    assert "JSON" in english
