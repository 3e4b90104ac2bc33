import dataclasses

import pytest

from harken.errors import HarkenError
from harken.finetuning.task import AudioRows, load_corpus
from tests.tiny_finetuning import TEXTS
from tests.tiny_speech import tone_rows, write_parts


def tokenize(text: str) -> tuple[int, ...]:
    return (*text.encode(), 256)


def load(task, max_seconds=2.0, max_tokens=40):
    return load_corpus(task, tokenize, max_seconds, max_tokens)


def test_no_sentence_is_on_both_sides_and_the_split_is_stable(make_task):
    corpus = load(make_task())
    trained, held_out = {u.text for u in corpus.train}, {u.text for u in corpus.dev}
    assert not trained & held_out
    assert len(trained) + len(held_out) == len(TEXTS)
    assert len(corpus.train) + len(corpus.dev) == 2 * len(TEXTS)
    assert len(corpus.dev_replay) == 1
    again = load(make_task())
    assert [u.id for u in again.dev] == [u.id for u in corpus.dev]


def test_only_the_named_rows_of_status_ok_are_used(make_task, tmp_path):
    rows = tone_rows(TEXTS, "x")
    rows[0]["status"], rows[0]["audio"], rows[0]["duration"] = "failed", None, None
    parts = write_parts(tmp_path / "named", rows)
    wanted = frozenset({"x-000", "x-001", "x-002", "x-005"})
    corpus = load(dataclasses.replace(make_task(), synthetic=AudioRows(parts, wanted), replay=None))
    assert {u.id for u in (*corpus.train, *corpus.dev)} == wanted - {"x-000"}
    assert not corpus.replay
    assert not corpus.dev_replay


def test_what_cannot_be_learnt_from_is_counted(make_task, tmp_path):
    rows = [*tone_rows(TEXTS, "x"), *tone_rows(["长" * 30], "tokens"), *tone_rows(["慢", "满"], "slow", seconds=3.0)]
    task = dataclasses.replace(make_task(), synthetic=AudioRows(write_parts(tmp_path / "mixed", rows)))
    corpus = load(task)
    assert corpus.left_out == {"longer than the model's window of 2 s": 2, "with more than 40 tokens": 1}
    assert len(corpus.train) + len(corpus.dev) == len(TEXTS)


def test_too_little_to_train_on_says_why(make_task):
    task = make_task()
    nothing = dataclasses.replace(task, synthetic=AudioRows(task.synthetic.parts, frozenset()))
    with pytest.raises(HarkenError, match=r"fine-tune on: 0\..*judge\.threshold"):
        load(nothing)
    with pytest.raises(HarkenError, match="24 longer than the model's window"):
        load(task, max_seconds=0.1)
