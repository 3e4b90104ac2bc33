"""What the stages of a set depend on, and the sets that cannot be prepared."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from compression.encoder import read_encoder_shape
from harken.errors import HarkenError
from harken.records import FAILED, read_parquet, write_parquet
from jobs.keyword_data import read_set
from jobs.keyword_inventory import read_terms
from jobs.keyword_preparation import UNITS_SCHEMA, prepare, prepare_inventory
from jobs.keyword_sets import KeywordSet
from jobs.keywords import keyword_sets
from tests.jobs.test_keywords import ROOT, tiny

VALIDATION = "sets.validation"
MANDARIN = "speech: {language: cmn, max_seconds: 10, voices: {speakers: [cmn]}}"
ENGLISH = "speech: {language: en-us, max_seconds: 10, voices: {speakers: [en-us]}}"


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def validation(output: Path, *overrides: str) -> KeywordSet:
    run = tiny(output, f"{VALIDATION}.heard_terms=true", *overrides)
    return keyword_sets(run, read_encoder_shape(run.model))[1]


def manifest(folder: Path, name: str, *texts: str) -> Path:
    path = folder / f"{name}.jsonl"
    rows = [json.dumps({"id": f"{name}-{place}", "text": text}) for place, text in enumerate(texts)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def glossary(folder: Path, *terms: str) -> str:
    path = folder / "glossary.txt"
    path.write_text("\n".join(terms), encoding="utf-8")
    return f"{VALIDATION}.inventory.given={path}"


def test_how_terms_are_enrolled_is_no_matter_of_the_utterances(tmp_path: Path) -> None:
    usual, trimmed = validation(tmp_path), validation(tmp_path, "enrolment.trim_db=30")
    assert [part.frames for part in trimmed.utterances] == [part.frames for part in usual.utterances]
    speech = usual.utterances[0].stage
    assert trimmed.keyword_frames("mandarin", speech) != usual.keyword_frames("mandarin", speech)


def test_other_noise_makes_other_speech(tmp_path: Path) -> None:
    noises = tmp_path / "noises"
    noises.mkdir()

    def speech(noise: float) -> object:
        soundfile.write(noises / "noise.wav", np.full(16000, noise, dtype=np.float32), 16000)
        loud = f"{VALIDATION}.corpora.words.speech.voices.augmentation={{noise_folder: {noises}, noise_probability: 1}}"
        return validation(tmp_path, loud).utterances[0].stage

    assert speech(0.1) == speech(0.1)
    assert speech(0.1) != speech(0.2)


def test_a_word_that_no_sequence_says_is_a_term_as_well(tmp_path: Path) -> None:
    from harken import word_sequences

    def inventory(*words: str) -> object:
        word_sequences._words.cache_clear()
        (tmp_path / "words.txt").write_text("\n".join(words), encoding="utf-8")
        source = f"sequences: {{words: {tmp_path}/words.txt, vocabulary: 3, count: 1, words_per_utterance: [1, 1]}}"
        part = validation(tmp_path, f"{VALIDATION}.corpora={{words: {{{source}, {MANDARIN}}}}}")
        return part.utterances[0].rows[0]["text"], part.inventory

    said, before = inventory("大学", "北京", "上海")
    others = {"大学", "北京", "上海"} - {said}
    unsaid = sorted(others)[0]
    # Another word in the place of an unsaid one.
    again, after = inventory(*(word if word != unsaid else unsaid + "路" for word in ("大学", "北京", "上海")))
    assert again == said
    assert after != before


def test_texts_that_nobody_speaks_are_refused_at_once(tmp_path: Path) -> None:
    path = manifest(tmp_path, "notes", "我们去北京")
    part = validation(tmp_path, f"{VALIDATION}.corpora={{notes: {{path: {path}}}}}")
    with pytest.raises(HarkenError, match=r"validation, notes.*1 texts have no recording: give the corpus speech"):
        part.check()


def test_a_set_that_says_none_of_its_terms_is_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, "notes", "我们去北京")
    part = validation(
        tmp_path, f"{VALIDATION}.corpora={{notes: {{path: {path}, {MANDARIN}}}}}", glossary(tmp_path, "古驰", "香奈儿")
    )
    with pytest.raises(HarkenError, match=r"terms of validation: 2\. None of 1 utterances says one"):
        prepare_inventory(part)


def test_a_glossary_serves_a_set_in_two_languages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    english = manifest(tmp_path, "english", "the elephant likes chocolate")
    mandarin = manifest(tmp_path, "mandarin", "大象喜欢gucci的chocolate")
    part = validation(
        tmp_path,
        f"{VALIDATION}.corpora={{english: {{language: en, path: {english}, {ENGLISH}}}, "
        f"mandarin: {{path: {mandarin}, {MANDARIN}}}}}",
        glossary(tmp_path, "elephant", "大象", "gucci", "chocolate", "prada"),
    )
    prepare_inventory(part)
    found = {term.term: (term.language, term.count) for term in read_terms(part)}
    assert found == {"elephant": ("en", 1), "大象": ("zh", 1), "gucci": ("zh", 1)}
    assert "terms left out" in capsys.readouterr().out


def test_a_recording_that_does_not_say_its_text_is_not_judged(tmp_path: Path) -> None:
    path = manifest(tmp_path, "notes", "我们去北京", "他在上海", "大学很远")
    least = (f"{VALIDATION}.cuts=1", "frames=computed", "sets.validation.inventory.least_count=1")
    spoken = validation(tmp_path, f"{VALIDATION}.corpora={{notes: {{path: {path}, {MANDARIN}}}}}", *least)
    prepare(spoken)
    (corpus,) = spoken.utterances
    lines = []
    for row in corpus.stage.rows(["id", "text", "audio"]):
        (tmp_path / f"{row['id']}.flac").write_bytes(row["audio"])
        lines.append(json.dumps({"id": row["id"], "text": row["text"], "audio": f"{row['id']}.flac"}))
    recorded_path = tmp_path / "recorded.jsonl"
    recorded_path.write_text("\n".join(lines), encoding="utf-8")
    recorded = validation(tmp_path, f"{VALIDATION}.corpora={{notes: {{path: {recorded_path}}}}}", *least)
    prepare(recorded)
    assert len(read_set(spoken).utterances) == 3
    assert len(read_set(recorded).utterances) == 3
    assert misaligned(spoken) in {utterance.name for utterance in read_set(spoken).utterances}
    assert misaligned(recorded) not in {utterance.name for utterance in read_set(recorded).utterances}
    assert len(read_set(recorded).utterances) == 2


def misaligned(part: KeywordSet) -> str:
    """An utterance of the set whose alignment failed from now on."""
    (corpus,) = part.utterances
    assert corpus.units is not None
    times = read_parquet(corpus.units.part(0))
    times[1] |= {"status": FAILED, "error": "alignment: confidence 0.1", "units": None}
    write_parquet(corpus.units.part(0), times, UNITS_SCHEMA)
    return str(times[1]["id"])
