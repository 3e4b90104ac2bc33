"""Speech and features of the nano corpus, with the real engines."""

import numpy as np
import pytest

from actors.tts.espeak import HELD_OUT_VARIANTS, TRAINING_VARIANTS, Engine
from jobs.nano.corpus import _make, is_held_out_term, load_shard, make_corpus, save_shard, shard_path, training_shards
from jobs.nano.features import feature_extractor, log_mel, pad_features
from jobs.nano.text import split_of


def variants(utterances) -> set[str]:
    return {item.voice.partition("+")[2] for item in utterances if not item.voice.startswith(("silence", "flite"))}


def test_clip_features_padded_are_the_feature_extractors():
    with Engine() as engine:
        wave = engine.speak("你好，再见。", "cmn+f2")
    ours = pad_features([log_mel(wave, 10.0, 320)], 500)[0].numpy()
    theirs = feature_extractor(10.0, 320)(wave, sampling_rate=16_000, return_tensors="np").input_features[0].T
    assert ours.shape == theirs.shape == (500, 80)
    assert np.max(np.abs(ours - theirs)) < 1e-5


def test_silence_pads_as_the_feature_extractor_does():
    wave = np.zeros(8_000, np.float32)
    ours = pad_features([log_mel(wave, 10.0, 320)], 500)[0].numpy()
    theirs = feature_extractor(10.0, 320)(wave, sampling_rate=16_000, return_tensors="np").input_features[0].T
    assert np.max(np.abs(ours - theirs)) < 1e-5


def test_the_corpus_is_made_once_and_a_lost_shard_comes_back_the_same(config):
    make_corpus(config)
    paths = training_shards(config)
    assert len(paths) == 2
    before = load_shard(paths[1])
    stamp = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    make_corpus(config)
    after = load_shard(paths[1])
    assert paths[0].stat().st_mtime_ns == stamp
    assert [item.text for item in after] == [item.text for item in before]
    assert [item.voice for item in after] == [item.voice for item in before]


def test_training_speech_keeps_the_held_out_apart(config):
    _make(config, 0)
    _make(config, "unseen-voices")
    training, unseen = load_shard(shard_path(config, 0)), load_shard(shard_path(config, "unseen-voices"))
    assert variants(training) <= set(TRAINING_VARIANTS)
    assert variants(unseen) <= set(HELD_OUT_VARIANTS)
    for item in training:
        if item.text:
            assert split_of(item.text) == "nano-train"
            assert item.phonemes
            assert len(item.features) // 2 >= len(item.phonemes)
        assert not any(is_held_out_term(term) for term in item.terms)
        assert item.features.dtype == np.float16
        assert len(item.features) <= 500
    assert all(split_of(item.text) == "nano-test" for item in unseen)


def test_silent_clips_have_an_empty_text(config):
    _make(config, "silence")
    assert {item.text for item in load_shard(shard_path(config, "silence"))} == {""}


def test_a_shard_that_failed_half_way_leaves_nothing(config, tmp_path):
    path = tmp_path / "corpus" / "train-0000.npz"
    with pytest.raises(ValueError, match="concatenate"):
        save_shard(path, [])
    assert not path.exists()
