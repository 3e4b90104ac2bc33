"""Recordings become enrolments, in a job's rows and at request time alike."""

from pathlib import Path

import numpy as np
import pytest

from actors.enroller import Enroller, Recording, enroller_schema
from actors.term_enroller import TermEnroller
from compression.cascade.search import Cascade
from compression.cascade.utterance import CompressedUtterance
from compression.features import utterance_frames
from compression.frames import Frames
from compression.glossary.rows import pack_enrolments
from harken.audio import SAMPLE_RATE, encode_flac
from harken.cascade_settings import CascadeSettings
from harken.errors import HarkenError
from harken.glossary_terms import GlossaryTerm
from harken.records import FAILED, OK, write_parquet
from tests.small_glossary import NANO, glossary_run, save_models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def enroller(models: Path) -> Enroller:
    return Enroller(str(NANO), models, models / "search", 4)


def sound(frequency: float, seconds: float = 0.6) -> np.ndarray:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * frequency * times * (1 + 0.2 * times))).astype(np.float32)


def row(name: str, wave: np.ndarray) -> dict[str, object]:
    return {"id": name, "audio": encode_flac(wave, SAMPLE_RATE), "status": OK, "error": None}


def test_rows_hold_what_a_store_takes(enroller: Enroller, tmp_path: Path) -> None:
    rows = [row("a", sound(300)), {"id": "b", "audio": None, "status": FAILED, "error": "synthesis: no"}]
    rows += [row("c", np.zeros(8000, np.float32)), row("d", sound(500, 1.1))]
    results = enroller(rows)
    assert [result["status"] for result in results] == [OK, FAILED, FAILED, OK]
    assert [result["error"] and result["error"].split(":")[0] for result in results] == [
        None,
        "synthesis",
        "silent",
        None,
    ]
    write_parquet(tmp_path / "part.parquet", results, enroller_schema(enroller.description))
    recordings = enroller.enrol([rows[0], rows[3]])
    assert all(isinstance(one, Recording) for one in recordings)
    packed = pack_enrolments([one.of(1, "v") for one in recordings if isinstance(one, Recording)], enroller.description)
    for index, result in ((0, results[0]), (1, results[3])):
        assert len(result["codes"]) == result["frames"] * enroller.description.frame_bytes
        assert packed.column("codes")[index].as_py() == result["codes"]


def test_what_is_stored_of_a_recording_is_its_own(enroller: Enroller) -> None:
    (alone,) = enroller.enrol([row("a", sound(300))])
    beside = enroller.enrol([row("b", sound(800, 1.4)), row("a", sound(300))])[1]
    assert isinstance(alone, Recording)
    assert isinstance(beside, Recording)
    # Batches differ in the last bits, which may move a 4-bit code.
    assert alone.frames.shape == beside.frames.shape
    assert np.abs(alone.frames - beside.frames).mean() < 1e-3
    np.testing.assert_allclose(alone.span, beside.span, atol=1e-2)
    np.testing.assert_allclose(alone.statistics, beside.statistics, atol=1e-2)


def test_another_encoder_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="search model folder"):
        Enroller(str(NANO), models, tmp_path, 8)


def test_terms_of_a_request_can_be_found_at_once(enroller: Enroller, models: Path, tmp_path: Path) -> None:
    run = glossary_run(tmp_path, tmp_path / "none.csv", f"spotter={models}")
    term_enroller = TermEnroller(enroller, run.engines)
    found = term_enroller.enrol_terms(
        ["老花", "绣花", GlossaryTerm("秀花"), "老花", GlossaryTerm("xyz", language="fi")]
    )
    assert found.failures == {"xyz": "no engine speaks its language"}
    glossary = found.glossary
    assert glossary is not None
    assert sorted(glossary.entry(index).spellings for index in range(len(glossary))) == [("秀花", "绣花"), ("老花",)]
    assert len(glossary.lengths) == 4
    heard = Frames.stack(utterance_frames(enroller.whisper, [sound(300, 2.0)], enroller.spotter.settings.layers))
    utterance = CompressedUtterance.pack(enroller.spotter.compress(heard)[0].unstack()[0], enroller.spotter)
    everything = CascadeSettings(mode="exhaustive", path_threshold=-100.0)
    result = Cascade(enroller.spotter, enroller.search_model, glossary, everything).search(utterance)
    assert {hit.term for hit in result.hits} == {"老花", "秀花"}
    assert term_enroller.enrol_terms([GlossaryTerm("xyz", language="fi")]).glossary is None
    with pytest.raises(HarkenError, match="special token"):
        term_enroller.enrol_terms(["<|zh|>"])
