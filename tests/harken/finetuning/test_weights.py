import dataclasses

import pytest

from harken.finetuning.learner import Learner
from harken.finetuning.weights import KeywordWeights
from harken.finetuning.workers import Workers
from harken.keywords import Keyword
from harken.whisper import load_whisper

KEYWORDS = (Keyword("bag", "TYPE"), Keyword("红", "MATERIAL"))


def test_tokens_inside_a_mention_weigh_more_and_the_end_does_not(tiny_model):
    whisper = load_whisper(str(tiny_model), "cpu")
    weigh = KeywordWeights(whisper, KEYWORDS, 3.0)
    text = "要bag的红鞋"
    weights = weigh(text)
    tokens = whisper.text_tokens(text)
    assert len(weights) == len(tokens)
    # The tiny tokenizer has one token a byte: 3 for a Chinese character, 1 for a Latin letter.
    assert weights == (*[1.0] * 3, *[3.0] * 3, *[1.0] * 3, *[3.0] * 3, *[1.0] * 3, 1.0)


def test_the_embedded_model_weighs_whole_tokens():
    whisper = load_whisper("models/nano", "cpu")
    keyword = "neverfull"
    weights = KeywordWeights(whisper, [Keyword(keyword, "SERIES")], 2.0)(f"我想看{keyword}包")
    assert len(weights) == len(whisper.text_tokens(f"我想看{keyword}包"))
    assert 0 < sum(weight == 2.0 for weight in weights) < len(weights)


def losses(make_task, weight: float, keywords=KEYWORDS) -> tuple[list[float], Learner]:
    settings = {"lora": {"rank": 4, "alpha": 8.0, "dropout": 0.0}, "masks": {"probability": 0.0}}
    task = dataclasses.replace(make_task(keyword_weight=weight, **settings), keywords=keywords)
    trained = Learner(task, Workers(), "cpu")
    return [trained.step() for _ in range(3)], trained


def test_a_weight_of_one_is_the_plain_loss(make_task):
    plain, _ = losses(make_task, 1.0)
    assert losses(make_task, 1.0, keywords=())[0] == plain
    # Without a mention there is nothing to weigh, bit by bit.
    assert losses(make_task, 5.0, keywords=(Keyword("absent", "TYPE"),))[0] == plain
    assert losses(make_task, 5.0)[0] != plain


def test_the_loss_is_the_weighted_mean_over_tokens(make_task):
    _, trained = losses(make_task, 4.0)
    index = next(i for i, u in enumerate(trained.corpus.train) if u.text.startswith("bag"))
    utterance = trained.utterances[index]
    assert utterance.weight == sum(utterance.weights) > len(utterance.tokens)
    trained.network.eval()
    total = trained._loss([index], False).item()
    trained.utterances[index] = dataclasses.replace(utterance, weights=(0.0,) * len(utterance.tokens))
    assert trained._loss([index], False).item() == 0.0
    trained.utterances[index] = dataclasses.replace(utterance, weights=None)
    plain = trained._loss([index], False).item()
    assert plain < total < 4.0 * plain


def test_bfloat16_learns_about_the_same(make_task):
    found = {}
    for precision in ("float32", "bfloat16"):
        trained = Learner(make_task(precision=precision, lora={"rank": 4, "dropout": 0.0}), Workers(), "cpu")
        found[precision] = [trained.step() for _ in range(3)]
        assert all(parameter.grad.dtype == parameter.dtype for parameter in trained.trainable)
        assert trained.facts()["precision"] == precision
    assert found["bfloat16"] != found["float32"]
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.05)
