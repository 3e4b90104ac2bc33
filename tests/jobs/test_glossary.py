"""`jobs.glossary`: a list becomes a store, once; it is changed, inspected and searched; bad input is named."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from compression.glossary.glossary import open_glossary
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from jobs.glossary import add, build, compact, main, remove
from jobs.glossary_inspection import inspect
from jobs.glossary_search import find_terms
from tests.small_glossary import CONFIG, glossary_run, save_models

LIST = """term,category,language,spoken,audio
speedy 20,SERIES,,,
老花,SERIES,,,
NASA,ORG,en,,
我们,WORD,,,
绣花,,,,
秀花,,,,
手提包,,,,
提包,,,,
kelly,,,[[k'Eli]],
mine,,,,mine.wav
ghost,,fi,,
"""


def folder_of(path: Path) -> GlossarySettings:
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    soundfile.write(path / "mine.wav", 0.3 * np.sin(2 * np.pi * 300 * times * (1 + times)), SAMPLE_RATE)
    terms = path / "terms.csv"
    terms.write_text(LIST, encoding="utf-8")
    return glossary_run(path, terms)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> GlossarySettings:
    run = folder_of(tmp_path_factory.mktemp("glossary"))
    build(run)
    return run


def spellings(run: GlossarySettings) -> set[tuple[str, ...]]:
    glossary = open_glossary(run.store_folder)
    live = {
        int(entry) for partition in glossary.partitions for entry in glossary.entries[glossary.enrolments(partition)]
    }
    return {glossary.entry(index).spellings for index in live}


def test_a_list_becomes_a_store(built: GlossarySettings) -> None:
    expected = {("speedy 20",), ("老花",), ("NASA",), ("秀花", "绣花"), ("手提包",), ("提包",), ("kelly",), ("mine",)}
    assert spellings(built) == expected
    glossary = open_glossary(built.store_folder)
    # Read as a word and letter by letter.
    names = [glossary.entry(index).term for index in range(len(glossary.entry_ids))]
    assert sorted(names).count("NASA") == 2
    voices = np.bincount(glossary.entries)
    assert voices[names.index("mine")] == 1
    assert voices[names.index("老花")] == 2
    assert {segment.enrolments for segment in glossary.manifest.segments} == {17}


def test_the_report_tells_what_to_look_at(built: GlossarySettings) -> None:
    found = json.loads((built.run.output / "report.json").read_text(encoding="utf-8"))
    findings = found["findings"]
    assert {flag: finding["count"] for flag, finding in findings.items()} == {
        "homophones": 1,
        "common": 1,
        "blocked": 1,
        "contains": 1,
        "contained": 1,
        "unspoken": 1,
    }
    assert findings["blocked"]["shown"][0]["spellings"] == ["我们"]
    assert findings["contains"]["shown"][0]["contains"] == "提包"
    assert findings["unspoken"]["shown"][0]["spellings"] == ["ghost"]
    assert (found["entries"], found["enrolled"]) == (11, 9)
    page = (built.run.output / "report.html").read_text(encoding="utf-8")
    assert "手提包" in page
    assert "homophones" in page


def test_a_second_build_does_nothing(built: GlossarySettings, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.store_folder.rglob("*") if path.is_file()}
    build(built)
    told = [line for line in capsys.readouterr().out.splitlines() if ":" in line]
    assert told
    assert [line for line in told if "skipped" not in line] == []
    assert {path: path.stat().st_mtime_ns for path in built.store_folder.rglob("*") if path.is_file()} == before


def test_terms_come_and_go_and_the_rest_is_as_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder_of(tmp_path)
    run.terms.path.write_text("term\n老花\n绣花\n", encoding="utf-8")
    build(run)
    before = spellings(run)
    more = tmp_path / "more.txt"
    more.write_text("秀花\n香水\n", encoding="utf-8")
    add(run, str(more))
    assert spellings(run) == {("老花",), ("秀花", "绣花"), ("香水",)}
    assert (run.run.output / "report-more.html").exists()
    inspect(run, json=True, verify=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["entries"], told["removed"], told["verified"]) == (3, 1, True)
    remove(run, str(more))
    compact(run)
    assert spellings(run) == before
    with pytest.raises(HarkenError, match="nothing was removed"):
        remove(run, str(more))


def test_a_recording_is_searched(built: GlossarySettings, tmp_path: Path) -> None:
    wave = np.concatenate([soundfile.read(built.terms.path.with_name("mine.wav"))[0], np.zeros(12 * SAMPLE_RATE)])
    soundfile.write(tmp_path / "said.wav", wave, SAMPLE_RATE)
    run = built.model_copy(update={"cascade": built.cascade.model_copy(update={"probability": 0.0})})
    found = find_terms(run, tmp_path / "said.wav")
    assert found
    assert [one.start for one in found] == sorted(one.start for one in found)
    # The second of two windows begins after eight seconds or more.
    assert {one.start < 8 for one in found} == {True, False}
    assert all(0 <= one.start < one.end <= len(wave) / SAMPLE_RATE + 0.1 for one in found)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["build", "--set", "terms.path=nowhere.csv"], "nowhere.csv"),
        (["build", "--set", "spotter=nowhere"], "nowhere"),
        (["build", "--set", "engines.own={speech: {voices: {speakers: [cmn]}}, recording: 2}"], "recordings"),
        (["add", "more.txt", "--set", "run.output=nowhere"], "glossary"),
        (["forget"], "usage"),
    ],
)
def test_bad_input_is_named(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments if arguments == ["forget"] else [*arguments, "--config", str(CONFIG)]
    assert main(given) == 2
    assert told in capsys.readouterr().err


def test_a_store_of_other_models_is_refused(built: GlossarySettings, tmp_path: Path) -> None:
    save_models(tmp_path / "models", seed=1)
    other = glossary_run(tmp_path, built.terms.path, f"store={built.store_folder}")
    with pytest.raises(HarkenError, match="spotter"):
        inspect(other)
