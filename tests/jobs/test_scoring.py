"""One set under every metric for any number of systems, and what is written of it."""

import csv
from pathlib import Path

import pytest

from actors.transcriber import HYPOTHESIS_SCHEMA
from harken.config import load_config
from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import METRICS
from harken.records import write_parquet
from harken.settings import PipelineSettings
from harken.stages import Stage
from jobs.figures import COLUMNS, evaluation, table, write_csv
from jobs.preflight import preflight
from jobs.scoring import Scores, score_set
from tests.tiny_hanlp import save_tiny_hanlp

ROOT = Path(__file__).resolve().parents[2]
SAID = ["上海人喜欢老花", "偏好speedy 20系列", "男性喜欢健身", "喜欢老花系列"]
HEARD = {
    "base": ["上海人喜欢老化", "偏好PT系列", "男性喜欢健身身身身身", "喜欢老花系"],
    "adapted": ["上海人喜欢老花", "偏好speedy 20系列", "男性喜欢健身", "喜欢老花"],
    "other": ["上海喜欢老花", "偏好speedy 2系列", "男喜欢健身", ""],
}


def scored(folder: Path, *overrides: str) -> Scores:
    settings = load_config(ROOT / "configs/demo.yaml", ["evaluate.bootstrap_samples=200", *overrides], PipelineSettings)
    matcher = KeywordMatcher([Keyword("speedy 20", "SERIES"), Keyword("老花", "LINES")])
    utterances = [{"id": str(place), "text": text, "speaker": "a", "duration": 1.0} for place, text in enumerate(SAID)]
    stages = {}
    for system, texts in HEARD.items():
        stage = stages[system] = Stage.under(folder, system, "0", 1)
        rows = [{"id": str(place), "hypothesis": text} for place, text in enumerate(texts)]
        write_parquet(stage.part(0), rows, HYPOTHESIS_SCHEMA)
    return score_set(settings, matcher, utterances, stages)


def test_any_two_systems_are_compared(tmp_path: Path) -> None:
    scores = scored(tmp_path)
    assert scores.systems == ["base", "adapted", "other"]
    forth, back = scores.difference("adapted", "other"), scores.difference("other", "adapted")
    assert set(forth) == set(METRICS)
    assert forth["cer"]["value"] == -back["cer"]["value"]
    assert forth["cer"]["p"] == back["cer"]["p"]
    assert forth["cer"]["low"] == pytest.approx(-back["cer"]["high"])
    assert scores.paired == {system: scores.difference("base", system) for system in ("adapted", "other")}


def test_a_system_is_held_against_another_than_the_first(tmp_path: Path) -> None:
    scores = scored(tmp_path)
    found = evaluation({"domain": scores}, ["jieba"], {"adapted": "base", "other": "adapted"})
    compared = found["sets"]["domain"]["comparisons"]
    assert compared["other"] == {"than": "adapted", "metrics": scores.difference("adapted", "other")}
    assert compared["adapted"]["metrics"] == found["sets"]["domain"]["differences"]["adapted"]
    rows = [row for row in table(found) if row.get("part") == "than adapted"]
    assert {row["system"] for row in rows} == {"other"}
    (cer,) = [row for row in rows if row["metric"] == "cer"]
    assert cer["difference"] == scores.difference("adapted", "other")["cer"]["value"]
    assert "value" not in cer
    assert "comparisons" not in evaluation({"domain": scores}, ["jieba"])["sets"]["domain"]


def test_every_figure_is_in_the_table(tmp_path: Path) -> None:
    found = evaluation({"domain": scored(tmp_path)}, ["jieba"])
    base = found["sets"]["domain"]["systems"]["base"]
    assert base["metrics"]["loop_rate"]["value"] == 1 / 4
    assert base["keyword_recall_by_category"]["LINES"]["recall"] == 1 / 2
    path = tmp_path / "evaluation.csv"
    write_csv(path, table(found))
    with path.open(encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        rows = {(row["system"], row["metric"], row["part"]): row for row in reader}
    assert len(rows) == 3 * (len(METRICS) + 3 + 2)
    assert rows["base", "cer", ""]["difference"] == ""
    change = found["sets"]["domain"]["differences"]["adapted"]["cer"]
    assert float(rows["adapted", "cer", ""]["difference"]) == change["value"]
    assert float(rows["adapted", "cer", ""]["p"]) == change["p"]
    assert float(rows["base", "keyword_recall", "LINES"]["value"]) == 1 / 2
    assert float(rows["base", "ier", "jieba:S"]["value"]) == 2 / 3


def test_hanlp_and_its_model_come_together() -> None:
    def settings(*overrides: str) -> PipelineSettings:
        return load_config(ROOT / "configs/demo.yaml", overrides, PipelineSettings)

    assert settings().evaluate.segmenters == ("jieba",)
    assert settings("evaluate.hanlp_model=models/tok").evaluate.segmenters == ("jieba", "hanlp")
    only = settings("evaluate.hanlp_model=models/tok", "evaluate.segmenters=[hanlp]")
    assert only.evaluate.segmenters == ("hanlp",)
    with pytest.raises(HarkenError, match="hanlp_model"):
        settings("evaluate.segmenters=[jieba, hanlp]")
    with pytest.raises(HarkenError, match="hanlp"):
        settings("evaluate.hanlp_model=models/tok", "evaluate.segmenters=[jieba]")


def test_a_hanlp_folder_that_is_none_is_found_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    overrides = [f"run.output={tmp_path / 'run'}", f"evaluate.hanlp_model={tmp_path}"]
    with pytest.raises(HarkenError, match=r"config\.json"):
        preflight(load_config("configs/demo.yaml", overrides, PipelineSettings))


@pytest.mark.slow
def test_hanlp_joins_jieba(tmp_path: Path) -> None:
    model = save_tiny_hanlp(tmp_path)
    scores = scored(tmp_path / "stages", f"evaluate.hanlp_model={model}")
    by_segmenter = scores.figures("base")["ier_by_segmenter"]
    assert list(by_segmenter) == ["jieba", "hanlp"]
    # The tokenizer learned 上海人 as one word; jieba cuts it in two.
    assert by_segmenter["hanlp"]["units"] != by_segmenter["jieba"]["units"]
    mean = sum(parts["ier"] for parts in by_segmenter.values()) / 2
    assert scores.intervals["base"]["ier"]["value"] == pytest.approx(mean)
