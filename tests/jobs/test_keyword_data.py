"""Frames that are computed are those that are stored."""

import pickle
from pathlib import Path

import pytest
import torch

from compression.encoder import read_encoder_shape
from compression.features import encoder_shape
from harken.whisper import load_whisper
from jobs.keyword_data import read_set
from jobs.keyword_preparation import prepare
from jobs.keywords import keyword_sets
from tests.jobs.test_keywords import ROOT, tiny


def test_computed_frames_equal_stored_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    frames = {}
    for kind in ("computed", "stored"):
        run = tiny(
            tmp_path,
            "sets.validation.corpora={notes: {path: examples/luxury/test_notes.jsonl, limit: 3, "
            "speech: {language: cmn, max_seconds: 10, voices: {speakers: [cmn]}}}}",
            "sets.validation.inventory={terms: 4}",
            "sets.validation.heard_terms=true",
            f"frames={kind}",
        )
        _, validation, _ = keyword_sets(run, read_encoder_shape(run.model))
        prepare(validation)
        data = read_set(validation)
        frames[kind] = pickle.loads(pickle.dumps(data.frames([2, 4])))
        assert validation.utterances[0].frames.complete() == (kind == "stored")
    for name in data.utterance_files:
        assert torch.equal(frames["stored"].utterance(name), frames["computed"].utterance(name))
    assert len(data.keyword_files) == 4
    for name in data.keyword_files:
        # Stored ones were encoded in a batch, whose padding may turn the last bit of a float16.
        torch.testing.assert_close(
            frames["stored"].keyword(name), frames["computed"].keyword(name), rtol=2e-3, atol=2e-3
        )


def test_the_encoders_shape_is_known_without_its_weights() -> None:
    assert read_encoder_shape("models/nano") == encoder_shape(load_whisper("models/nano", "cpu"))
