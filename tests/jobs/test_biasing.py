"""The biased columns of an evaluation: what they depend on, what is refused, how they are made and resumed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harken.config import load_config
from harken.digests import model_digest
from harken.errors import HarkenError
from harken.records import read_parquet, write_json
from harken.settings import PipelineSettings
from jobs.biased_figures import heard_terms
from jobs.biasing import make_glossary, transcribe_biased
from jobs.glossary import build
from jobs.plan import SYSTEMS, Plan
from jobs.preflight import preflight
from jobs.speech import speak
from tests.small_glossary import glossary_run, save_models
from tests.small_run import head

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/demo-biased.yaml"
TERMS = "term,category\n陀飞轮,TYPE\ndauphine,SERIES\nbirkin,SERIES\n鱼子酱,MATERIAL\nserpenti,SERIES\n香奈儿,BRAND\n"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def settings_with(folder: Path, *overrides: str) -> PipelineSettings:
    return load_config(CONFIG, [f"run.output={folder / 'run'}", *overrides], PipelineSettings)


def biased_stages(settings: PipelineSettings) -> dict[str, str]:
    plan = Plan(settings)
    assert plan.glossary is not None
    found = {"glossary": plan.glossary.digest}
    found |= {system: plan.hypotheses(plan.domain, system).fingerprint for system in plan.systems}
    return found | {"evaluate": plan.evaluate.fingerprint}


def test_the_config_is_the_demos_and_the_biasing() -> None:
    demo, biased = (load_config(path, [], PipelineSettings) for path in ("configs/demo.yaml", CONFIG))
    assert biased.model_copy(update={"biasing": None}) == demo
    assert Plan(demo).systems == SYSTEMS
    assert Plan(biased).systems == ("base", "adapted", "biased", "adapted_biased")
    # What the demo has made is used.
    assert Plan(demo).hypotheses(Plan(demo).domain, "adapted") == Plan(biased).hypotheses(
        Plan(biased).domain, "adapted"
    )


GLOSSARY = {"glossary", "biased", "adapted_biased", "evaluate"}
BIASED = GLOSSARY - {"glossary"}


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("decoding.batch_size=3", set()),
        ("decoding.workers=1", set()),
        ("run.output=elsewhere", set()),
        ("biasing.terms=examples/luxury/house_a_keywords.csv", GLOSSARY),
        ("biasing.cascade.probability=0.9", BIASED),
        ("biasing.vad=null", BIASED),
        ("biasing.rules.boost=false", BIASED),
        ("finetune.epochs=9", {"adapted", "adapted_biased", "evaluate"}),
    ],
)
def test_a_changed_setting_touches_what_depends_on_it(tmp_path: Path, override: str, changed: set[str]) -> None:
    before = biased_stages(settings_with(tmp_path))
    after = biased_stages(settings_with(tmp_path, override))
    assert {name for name in before if before[name] != after[name]} == changed


def recipe(folder: Path, old: str = "", new: str = "") -> str:
    """The override that names configs/glossary.yaml, changed."""
    text = Path("configs/glossary.yaml").read_text(encoding="utf-8")
    assert old in text
    path = folder / f"recipe-{len(list(folder.iterdir()))}.yaml"
    path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    return f"biasing.recipe={path}"


def test_a_recipes_voices_are_part_of_the_glossary_and_its_workers_are_not(tmp_path: Path) -> None:
    plain, voice, workers = (
        biased_stages(settings_with(tmp_path, recipe(tmp_path, *change)))["glossary"]
        for change in ((), ("cmn+linda", "cmn+f2"), ("reader_workers: 2", "reader_workers: 1"))
    )
    assert plain != voice
    assert plain == workers


def test_a_recording_that_is_replaced_makes_another_glossary(tmp_path: Path) -> None:
    terms, recording = tmp_path / "terms.jsonl", tmp_path / "birkin.wav"
    terms.write_text('{"term": "birkin", "audio": ["birkin.wav"]}\n{"term": "香奈儿"}\n', encoding="utf-8")
    soundfile.write(recording, np.zeros(8_000, np.float32), 16_000)
    settings = settings_with(tmp_path, f"biasing.terms={terms}")
    before = biased_stages(settings)
    assert biased_stages(settings) == before
    soundfile.write(recording, np.zeros(9_000, np.float32), 16_000)
    after = biased_stages(settings)
    assert {name for name in before if before[name] != after[name]} == GLOSSARY
    recording.unlink()
    with pytest.raises(HarkenError, match=r"birkin\.wav"):
        biased_stages(settings)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["biasing.store=somewhere"], "recipe"),
        (["biasing.recipe=null"], "store"),
        (["biasing.recipe=null", "biasing.store=somewhere", "biasing.terms=a.csv"], "terms"),
    ],
)
def test_there_is_one_glossary(tmp_path: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(HarkenError, match=words):
        settings_with(tmp_path, *overrides)


def test_what_cannot_be_searched_is_named_before_anything_runs(tmp_path: Path) -> None:
    store = ["biasing.recipe=null", f"biasing.store={tmp_path / 'absent'}"]
    with pytest.raises(HarkenError, match=r"biasing\.store.*absent"):
        preflight(settings_with(tmp_path, *store))
    with pytest.raises(HarkenError, match=r"spotter\.json"):
        preflight(settings_with(tmp_path, f"biasing.spotter={tmp_path}"))
    misspelt = settings_with(tmp_path, recipe(tmp_path, new="curatoin: {}\n"))
    with pytest.raises(HarkenError, match=r"curatoin.*curation"):
        preflight(misspelt)
    unknown = settings_with(tmp_path, recipe(tmp_path, "cmn+linda", "cmn+nobody"))
    with pytest.raises(HarkenError, match=r"cmn\+nobody"):
        preflight(unknown)
    assert not (tmp_path / "run").exists()


def test_a_store_of_other_models_is_refused(tmp_path: Path) -> None:
    terms = tmp_path / "terms.csv"
    terms.write_text(TERMS, encoding="utf-8")
    run = glossary_run(tmp_path / "other", terms)
    build(run)
    store = ["biasing.recipe=null", f"biasing.store={run.store_folder}"]
    with pytest.raises(HarkenError, match=r"spotter of the glossary.*enrol the terms again"):
        preflight(settings_with(tmp_path, *store))
    # With the models that made it nothing is wrong, until another Whisper of the same shape listens.
    own = [*store, f"biasing.spotter={run.spotter}"]
    preflight(settings_with(tmp_path, *own))
    other = shutil.copytree(ROOT / "models/nano", tmp_path / "whisper")
    (other / "generation_config.json").write_text(
        (other / "generation_config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8"
    )
    assert model_digest(str(other)) != model_digest("models/nano")
    with pytest.raises(HarkenError, match="encoder of the glossary"):
        preflight(settings_with(tmp_path, *own, f"model={other}"))
    with pytest.raises(HarkenError, match="search"):
        preflight(settings_with(tmp_path, *own, f"biasing.search={save_models(tmp_path / 'third', 3) / 'search'}"))


def test_both_models_hear_what_the_glossary_holds_and_a_lost_part_alone_is_made_again(tmp_path: Path) -> None:
    terms = tmp_path / "terms.csv"
    terms.write_text(TERMS, encoding="utf-8")
    domain = head(ROOT / "examples/luxury/test_notes.jsonl", tmp_path / "domain.jsonl", 36)
    overrides = [f"biasing.terms={terms}", f"evaluate.domain={domain}", "speech.workers=1"]
    plan = Plan(settings_with(tmp_path, *overrides))
    speak(plan.settings, plan.domain)
    make_glossary(plan)
    # An adapted model that learnt nothing: told the same, it writes the same.
    shutil.copytree(ROOT / "models/nano", plan.adapted_model())
    write_json(plan.finetune.marker, {})

    adapted = transcribe_biased(plan, plan.domain, "adapted_biased")
    biased = plan.hypotheses(plan.domain, "biased")
    assert biased.complete()
    assert adapted.shards == biased.shards == 2
    rows, others = list(biased.rows()), list(adapted.rows())
    assert [row["hypothesis"] for row in rows] == [row["hypothesis"] for row in others]
    assert sum(row["hypothesis"] != row["unbiased"] for row in rows) >= 5
    assert adapted.record()["failed"] == biased.record()["failed"]

    terms_by_system = heard_terms(plan)
    applied = [term for found in terms_by_system["biased"].values() for term in found if term.outcome == "applied"]
    assert applied
    texts = {row["id"]: row["hypothesis"] for row in rows}
    for identity, found in terms_by_system["biased"].items():
        for term in found:
            if term.start is not None:
                assert term.outcome == "applied"
                assert texts[identity][term.start : term.end].lower() == term.term

    kept = biased.part(0).stat().st_mtime_ns
    biased.part(1).unlink()
    transcribe_biased(plan, plan.domain, "biased")
    assert biased.part(0).stat().st_mtime_ns == kept
    assert [row["hypothesis"] for row in read_parquet(biased.part(1))] == [row["hypothesis"] for row in rows[32:]]
    assert json.loads(biased.marker.read_text(encoding="utf-8"))["rows"] == len(rows)
    # A glossary that is there is not made again, one that was deleted is.
    assert plan.glossary is not None
    store = plan.glossary.folder / "manifest.json"
    made = store.stat().st_mtime_ns
    make_glossary(Plan(plan.settings))
    assert store.stat().st_mtime_ns == made
    shutil.rmtree(plan.glossary.folder)
    make_glossary(Plan(plan.settings))
    assert store.is_file()
