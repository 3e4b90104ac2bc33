"""Which stages a changed setting touches."""

import json
import shutil
from pathlib import Path

import pytest

from harken.config import load_config
from harken.errors import HarkenError
from harken.settings import PipelineSettings
from jobs.plan import Plan, require

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("labels", "speech", "replay", "domain", "general", "heard", "verdicts", "finetune", "adapted", "evaluate")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo's inputs, free to be changed."""
    for name in ("configs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    model = tmp_path / "models" / "nano"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "whisper"}', encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fingerprints(*overrides: str) -> dict[str, str]:
    plan = Plan(load_config("configs/demo.yaml", overrides, PipelineSettings))
    assert plan.replay is not None
    assert plan.general is not None
    stages = {
        "labels": plan.labels,
        "speech": plan.speech.stage,
        "replay": plan.replay.stage,
        "domain": plan.domain.stage,
        "general": plan.general.stage,
        "heard": plan.hypotheses(plan.speech, "base"),
        "verdicts": plan.verdicts,
        "finetune": plan.finetune,
        "adapted": plan.hypotheses(plan.domain, "adapted"),
        "evaluate": plan.evaluate,
    }
    assert set(stages) == set(STAGES)
    return {name: stage.fingerprint for name, stage in stages.items()}


LATE = {"finetune", "adapted", "evaluate"}
CHANGES = {
    "labels.count=961": {"labels", "speech", "heard", "verdicts"} | LATE,
    "labels.workers=2": set(),
    "speech.workers=1": set(),
    "decoding.batch_size=3": set(),
    "cluster.cpus=4": set(),
    "run.output=elsewhere": set(),
    "speech.voices.rate=[0.9, 1.1]": {"speech", "replay", "heard", "verdicts"} | LATE,
    "evaluate.voices.rate=[0.9, 1.1]": {"domain", "general", "adapted", "evaluate"},
    "judge.threshold=0.5": {"verdicts"} | LATE,
    "judge.second={model: models/nano}": {"verdicts"} | LATE,
    "judge.planted=5": {"evaluate"},
    "finetune.epochs=1": LATE,
    "finetune.lora.rank=2": LATE,
    "finetune.keyword_weight=2": LATE,
    "finetune.real.manifest=examples/general/test.jsonl": LATE,
    "finetune.workers=[1, 2]": set(),
    "evaluate.forgetting_limit=0.2": {"evaluate"},
    "model_export.formats=[adapter]": set(),
    "evaluate.bootstrap_samples=10": {"evaluate"},
    "decoding.max_new_tokens=10": {"heard", "verdicts"} | LATE,
    "run.seed=8": set(STAGES),
}


@pytest.mark.parametrize("override", CHANGES)
def test_a_setting_touches_its_stages_and_no_others(project: Path, override: str) -> None:
    before, after = fingerprints(), fingerprints(override)
    assert {name for name in STAGES if before[name] != after[name]} == CHANGES[override]


LLM = (
    "labels.writer=llm",
    "labels.llm={base_url: 'http://127.0.0.1:1/v1', model: m, limits: {price_in: 1}}",
)
LLM_CHANGES = {
    "labels.llm.model=n": {"drafts", "labels"},
    "labels.llm.temperature=0.5": {"drafts", "labels"},
    "labels.llm.characters=[4, 60]": {"drafts", "labels"},
    "labels.llm.near_duplicate=0.9": {"labels"},
    "labels.llm.base_url=http://127.0.0.1:2/v1": set(),
    "labels.llm.limits.spend_cap=3": set(),
    "labels.coverage_k=9": set(),
    "labels.workers=4": set(),
}


@pytest.mark.parametrize("override", LLM_CHANGES)
def test_labels_that_were_paid_for_are_asked_for_again_only_when_they_would_differ(
    project: Path, override: str
) -> None:
    def stages(*overrides: str) -> dict[str, str]:
        plan = Plan(load_config("configs/demo.yaml", overrides, PipelineSettings))
        return {stage.name: stage.fingerprint for stage in plan.stages()[:2]}

    before, after = stages(*LLM), stages(*LLM, override)
    assert set(before) == {"drafts", "labels"}
    assert {name for name in before if before[name] != after[name]} == LLM_CHANGES[override]


PORTRAIT_CHANGES = {
    "portraits.suggestions=5": {"portraits-reference", "portraits-base", "portraits-adapted", "portraits", "evaluate"},
    "portraits.workers=2": set(),
    "portraits.rows_per_shard=9": set(),
    "evaluate.bootstrap_samples=10": {"portraits", "evaluate"},
    "finetune.epochs=1": {
        *("finetune", "hypotheses-domain-adapted", "hypotheses-general-adapted"),
        *("portraits-adapted", "portraits", "evaluate"),
    },
}


@pytest.mark.parametrize("override", PORTRAIT_CHANGES)
def test_portraits_are_drawn_again_only_when_they_would_differ(project: Path, override: str) -> None:
    def stages(*overrides: str) -> dict[str, str]:
        plan = Plan(load_config("configs/demo.yaml", overrides, PipelineSettings))
        return {stage.name: stage.fingerprint for stage in plan.stages()}

    before, after = stages(), stages(override)
    assert {name for name in before if before[name] != after[name]} == PORTRAIT_CHANGES[override]


def test_a_run_without_portraits_has_none(project: Path) -> None:
    without = Plan(load_config("configs/demo.yaml", ["portraits=null"], PipelineSettings))
    assert without.portraits is None
    assert not [stage.name for stage in without.stages() if "portraits" in stage.name]
    assert without.evaluate.fingerprint != fingerprints()["evaluate"]


def test_a_changed_product_table_draws_the_portraits_again(project: Path) -> None:
    before = fingerprints()
    with (project / "examples/luxury/products.csv").open("a", encoding="utf-8") as lines:
        lines.write("HK-999,gucci,ophidia,,托特包,帆布,,黑色,,一万以内\n")
    after = fingerprints()
    assert {name for name in STAGES if before[name] != after[name]} == {"evaluate"}


def test_planted_faults_are_stages_of_their_own_that_training_does_not_read(project: Path) -> None:
    def stages(*overrides: str) -> dict[str, str]:
        plan = Plan(load_config("configs/demo.yaml", overrides, PipelineSettings))
        return {stage.name: stage.fingerprint for stage in plan.stages()}

    before, after = stages(), stages("judge.planted=5")
    assert set(after) - set(before) == {"speech-planted", "hypotheses-planted-base", "verdicts-planted"}
    assert {name for name in before if before[name] != after[name]} == {"evaluate"}
    second = stages("judge.planted=5", "judge.second={model: models/nano}")
    assert set(second) - set(after) == {"hypotheses-synthetic-second", "hypotheses-planted-second"}


SERVER = "judge.second={{server: {{base_url: 'http://127.0.0.1:1/v1', model: {}, concurrency: {}}}}}"


def test_another_second_recogniser_is_another_opinion(project: Path) -> None:
    one, two, faster = (fingerprints(SERVER.format(*what)) for what in (("a", 1), ("b", 1), ("a", 9)))
    assert one == faster
    assert one["verdicts"] != two["verdicts"]
    assert one["heard"] == two["heard"]


def test_a_changed_input_file_touches_what_reads_it(project: Path) -> None:
    before = fingerprints()
    with (project / "examples/general/train.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"id": "one-more", "text": "今天天气很好"}\n')
    after = fingerprints()
    assert {name for name in STAGES if before[name] != after[name]} == {"replay"} | LATE


def test_a_changed_model_touches_what_it_hears(project: Path) -> None:
    before = fingerprints()
    (project / "models/nano/model.safetensors").write_bytes(b"other weights")
    after = fingerprints()
    assert {name for name in STAGES if before[name] != after[name]} == {"heard", "verdicts"} | LATE


def test_a_missing_input_is_named(project: Path) -> None:
    with pytest.raises(HarkenError, match="absent"):
        fingerprints("keywords.path=absent.csv")


def test_a_job_whose_input_stage_is_missing_says_which_job_to_run(project: Path) -> None:
    plan = Plan(load_config("configs/demo.yaml", [], PipelineSettings))
    with pytest.raises(HarkenError, match=r"python -m jobs\.labels"):
        require([plan.labels])


SERVED = "speech={backend: openai, voices: {speakers: [anna]}, openai: {base_url: 'http://tts/v1', model: m}}"


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("speech.openai.concurrency=9", True),
        ("speech.openai.api_key_env=OTHER", True),
        ("speech.gpus_per_worker=0.5", True),
        ("speech.openai.model=n", False),
        ("speech.voices.accents=[shanghai]", False),
    ],
)
def test_speech_is_made_again_only_for_what_is_heard(project: Path, override: str, same: bool) -> None:
    assert (fingerprints(SERVED)["speech"] == fingerprints(SERVED, override)["speech"]) is same


def test_a_changed_reference_recording_makes_the_speech_again(project: Path) -> None:
    recording = project / "anna.wav"
    recording.write_bytes(b"one")
    reference = "{anna: {audio: anna.wav, text: x}}"
    settings = f"speech={{backend: chattts, voices: {{speakers: [anna]}}, chattts: {{references: {reference}}}}}"
    before = fingerprints(settings)["speech"]
    recording.write_bytes(b"two")
    assert fingerprints(settings)["speech"] != before


def given(*overrides: str) -> Plan:
    chosen = ("labels.writer=given", "labels.seeds=notes.jsonl", "labels.count=5", "labels.rows_per_shard=2")
    return Plan(load_config("configs/demo.yaml", (*chosen, *overrides), PipelineSettings))


def test_given_labels_are_read_with_their_recordings(project: Path) -> None:
    (project / "a.wav").write_bytes(b"one")
    lines = [{"id": f"n{number}", "text": "老花"} | ({"audio": "a.wav"} if number == 0 else {}) for number in range(7)]
    (project / "notes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    plan = given()
    assert plan.labels.shards == plan.speech.stage.shards == 3
    rows = [row for shard in range(3) for row in plan.speech.source.rows(shard)]
    assert [row["id"] for row in rows] == ["n0", "n1", "n2", "n3", "n4"]
    assert rows[0]["audio_path"] == "a.wav"
    (project / "a.wav").write_bytes(b"another")
    after = given()
    assert after.labels == plan.labels
    assert after.speech.stage != plan.speech.stage
    assert given("labels.count=7").labels != plan.labels


def test_a_run_learns_from_the_speech_of_others(project: Path) -> None:
    settings = load_config("configs/demo.yaml", [], PipelineSettings)
    more = Plan(load_config("configs/demo.yaml", ["labels.count=961"], PipelineSettings))
    alone, itself = Plan(settings), Plan(settings, [Plan(settings)])
    assert alone.finetune == itself.finetune
    assert len({Plan(settings, runs).finetune for runs in ([], [more], [alone, more], [more, alone])}) == 4
    assert Plan(settings, [more]).replay == alone.replay


def test_what_is_in_the_noise_folder_decides_and_where_it_lies_does_not(project: Path) -> None:
    def speech(folder: str, *overrides: str) -> str:
        return fingerprints(f"speech.voices.augmentation.noise_folder={folder}", *overrides)["speech"]

    noises = project / "noises"
    (noises / "street").mkdir(parents=True)
    (noises / "street" / "bus.wav").write_bytes(b"a bus")
    before = speech("noises")
    assert before != fingerprints()["speech"]
    shutil.copytree(noises, project / "moved")
    assert speech("moved") == before
    (noises / "readme.txt").write_text("no noise", encoding="utf-8")
    assert speech("noises") == before
    (noises / "street" / "bus.wav").write_bytes(b"a car")
    changed = speech("noises")
    assert changed != before
    (noises / "street" / "bus.wav").rename(noises / "car.wav")
    assert speech("noises") not in {before, changed}
    never = "speech.voices.augmentation.noise_probability=0"
    assert speech("absent", never) == fingerprints(never)["speech"]
    with pytest.raises(HarkenError, match="absent"):
        speech("absent")


def test_an_augmentation_that_is_never_drawn_does_not_make_the_speech_again(project: Path) -> None:
    augmentation = "speech.voices.augmentation"
    off = fingerprints(f"{augmentation}.room_probability=0", f"{augmentation}.room_direct_db=[0, 3]")
    assert off == fingerprints()
    on = fingerprints(f"{augmentation}.room_probability=0.1")
    assert on["speech"] != off["speech"]
    assert on["domain"] == off["domain"]
