"""Exports of real speech, read back by what reads them: lhotse itself where it is installed."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import soundfile
import yaml

from actors.judge import KEEP, REJECT, VERDICT_SCHEMA
from actors.speaker import SPEECH_SCHEMA, Speaker
from harken.config import load_config
from harken.errors import HarkenError
from harken.records import OK, Row, write_parquet
from harken.settings import PipelineSettings
from jobs.export import export
from jobs.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["喜欢speedy 20系列", "偏好老花,喜欢健身", "喜欢prada的包", "她喜欢健身😀", "上海人,喜欢老花", "喜欢speedy 25"]
NON_COMMERCIAL = {"licence": "academic purposes only", "commercial_use": False}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Six rows: the third is rejected by the judge, the fourth fails, the fifth has a voice for research only."""
    settings = load_config(ROOT / "configs/demo.yaml", [], PipelineSettings)
    spoken = Speaker(settings.speech, settings.speech.voices, {})(
        [{"id": f"row-{index}", "text": text} for index, text in enumerate(TEXTS)]
    )
    spoken[4] |= NON_COMMERCIAL
    return spoken


def plan_of(folder: Path, rows: list[Row], *overrides: str) -> Plan:
    """A run whose speech and verdicts are there, in three shards."""
    base = [f"run.output={folder / 'run'}", "labels.count=6", "labels.rows_per_shard=2"]
    plan = Plan(load_config(ROOT / "configs/demo.yaml", [*base, *overrides], PipelineSettings))
    for shard in range(3):
        part = rows[2 * shard : 2 * shard + 2]
        write_parquet(plan.speech.stage.part(shard), part, SPEECH_SCHEMA)
        write_parquet(plan.verdicts.part(shard), [_verdict(row) for row in part], VERDICT_SCHEMA)
    plan.speech.stage.finish(1.0)
    plan.verdicts.finish(1.0)
    return plan


def _verdict(row: Row) -> Row:
    blank = dict.fromkeys(VERDICT_SCHEMA.names) | {"id": row["id"], "status": row["status"], "error": row["error"]}
    if row["status"] != OK:
        return blank | {"verdict": REJECT, "reason": row["error"]}
    if "prada" in row["text"]:
        return blank | {"verdict": REJECT, "reason": "cer: 0.95 > 0.9"}
    return blank | {"verdict": KEEP}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_manifests_name_audio_that_is_there_and_as_long_as_they_say(tmp_path: Path, rows: list[Row]) -> None:
    folder = export(plan_of(tmp_path, rows, "export.formats=[nemo,audiofolder,whisper-finetune]"))
    nemo = lines(folder / "synthetic.nemo.jsonl")
    assert [line["text"] for line in nemo] == [TEXTS[0], TEXTS[1], TEXTS[5]]
    for line in nemo:
        information = soundfile.info(folder / line["audio_filepath"])
        assert information.duration == pytest.approx(line["duration"], abs=1e-3)
        assert information.samplerate == 16_000
    described = lines(folder / "data/synthetic/metadata.jsonl")
    assert {line["file_name"] for line in described} == {path.name for path in folder.glob("data/synthetic/*.flac")}
    assert len({tuple(line) for line in described}) == 1
    finetune = lines(folder / "synthetic.whisper-finetune.jsonl")
    assert [line["sentence"] for line in finetune] == [line["text"] for line in nemo]
    assert (folder / finetune[0]["audio"]["path"]).is_file()
    assert finetune[0]["sentences"][0]["end"] == finetune[0]["duration"]


def test_webdataset_shards_hold_whole_samples(tmp_path: Path, rows: list[Row]) -> None:
    folder = export(plan_of(tmp_path, rows, "export.formats=[webdataset]", "export.rows_per_shard=2"))
    shards = sorted(folder.glob("webdataset/*.tar"))
    assert [shard.name for shard in shards] == ["synthetic-000000.tar", "synthetic-000001.tar"]
    assert not (folder / "data").exists()
    texts = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            members = {member.name: tar.extractfile(member) for member in tar}
            for name, stream in members.items():
                assert stream is not None
                content = stream.read()
                if name.endswith(".txt"):
                    texts.append(content.decode())
                elif name.endswith(".flac"):
                    assert soundfile.info(io.BytesIO(content)).frames > 0
        assert len({name.split(".")[0] for name in members}) * 3 == len(members)
    assert texts == [TEXTS[0], TEXTS[1], TEXTS[5]]


def test_lhotse_reads_the_cuts(tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    lhotse = pytest.importorskip("lhotse")
    folder = export(plan_of(tmp_path, rows, "export.formats=[lhotse]"))
    monkeypatch.chdir(folder)
    cuts = list(lhotse.CutSet.from_file("synthetic.cuts.jsonl.gz"))
    assert [cut.supervisions[0].text for cut in cuts] == [TEXTS[0], TEXTS[1], TEXTS[5]]
    for cut in cuts:
        lhotse.validate(cut)
        assert cut.load_audio().shape == (1, cut.num_samples)
        assert cut.supervisions[0].speaker in {row["speaker"] for row in rows}


def test_voices_for_research_only_come_when_asked_for(tmp_path: Path, rows: list[Row]) -> None:
    plan = plan_of(tmp_path, rows, "export.use=research", "export.rows=spoken")
    folder = export(plan)
    texts = [line["text"] for line in lines(folder / "synthetic.nemo.jsonl")]
    assert texts == [text for text in TEXTS if "😀" not in text]


def test_the_card_says_what_is_in_it_and_what_is_not(tmp_path: Path, rows: list[Row]) -> None:
    folder = export(plan_of(tmp_path, rows))
    text = (folder / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["configs"][0]["data_files"] == [{"split": "synthetic", "path": "data/synthetic/**"}]
    assert "3 utterances" in text
    assert "| synthetic | the voice's licence (academic purposes only) does not allow commercial use | 1 |" in text
    assert "| synthetic | rejected: cer | 1 |" in text
    assert "| synthetic | failed: unreadable | 1 |" in text
    assert "| SERIES |" in text
    assert "sampling: coverage" in text
    record = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert record["rows"] == {"synthetic": 3}


def test_an_export_without_a_row_is_an_error_and_leaves_nothing(tmp_path: Path, rows: list[Row]) -> None:
    unknown = [row | {"commercial_use": None} for row in rows]
    plan = plan_of(tmp_path, unknown)
    with pytest.raises(HarkenError, match=r"not known to allow.*export\.use=research"):
        export(plan)
    assert not (tmp_path / "run" / "export").exists()
    assert not (tmp_path / "run" / "export.unfinished").exists()


def test_what_cannot_be_exported_is_told_first(tmp_path: Path, rows: list[Row]) -> None:
    plan = plan_of(tmp_path, rows)
    export(plan)
    with pytest.raises(HarkenError, match="It is there already"):
        export(plan)
    plan.speech.stage.part(1).unlink()
    with pytest.raises(HarkenError, match=r"jobs\.speech"):
        export(plan)
