import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harken.metrics import METRICS
from jobs.score import main
from tests.harken.metrics.examples import HYPOTHESIS, REFERENCE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path):
    """The arguments for Figure 3; the tests overwrite the files they need otherwise."""
    write(tmp_path / "references.jsonl", {"id": "figure", "text": REFERENCE})
    write(tmp_path / "hypotheses.jsonl", {"id": "figure", "text": HYPOTHESIS})
    (tmp_path / "keywords.csv").write_text("term,category\nspeedy 20,SERIES\nprada,BRAND\n", encoding="utf-8")
    return tmp_path


def write(path, *rows):
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def arguments(folder, *more):
    files = [f"--{name}={folder / name}" for name in ("references", "hypotheses", "keywords")]
    return [f"{files[0]}.jsonl", f"{files[1]}.jsonl", f"{files[2]}.csv", *more]


def test_the_command_prints_one_json_object(files):
    command = [sys.executable, "-W", "error", "-m", "jobs.score", *arguments(files, "--json")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    summary = json.loads(run.stdout)
    assert set(METRICS) <= set(summary)
    assert summary["cer"] == pytest.approx(9 / 23)
    assert summary["cer_cn"] == pytest.approx(2 / 15)
    assert summary["cer_oth"] == pytest.approx(7 / 8)
    assert summary["ier"] == pytest.approx(1 / 3)
    assert summary["keyword_recall"] == 0
    jieba = summary["ier_by_segmenter"]["jieba"]
    assert jieba["units"] == {"W": 7, "C": 1, "S": 1}
    assert jieba["errors"] == {"W": 1, "C": 1, "S": 1}
    assert jieba["rates"] == {"W": 1 / 6, "C": 1 / 2, "S": 1}
    assert summary["segmenters"] == ["jieba"]
    assert summary["keyword_recall_by_category"]["SERIES"] == {"recall": 0.0, "right": 0, "mentions": 1}
    assert summary["keyword_recall_by_category"]["BRAND"]["recall"] is None


def test_inverse_text_normalisation_is_a_switch(files, capsys):
    assert main(arguments(files, "--json", "--itn")) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["cer"] == pytest.approx(7 / 23)
    assert summary["cer_oth"] == pytest.approx(5 / 8)


def test_accents_are_a_switch(files, capsys):
    write(files / "references.jsonl", {"id": "figure", "text": "Hermès"})
    write(files / "hypotheses.jsonl", {"id": "figure", "text": "hermes"})
    for more, cer in (([], 1 / 6), (["--fold-accents"], 0.0)):
        assert main(arguments(files, "--json", *more)) == 0
        assert json.loads(capsys.readouterr().out)["cer"] == pytest.approx(cer)


def test_the_table_names_every_metric_and_the_segmenter(files, capsys):
    assert main(arguments(files)) == 0
    printed = capsys.readouterr().out
    assert all(f"│ {metric} " in printed for metric in METRICS)
    assert "jieba" in printed
    assert "0.3913" in printed


def test_two_systems_are_compared_with_interval_and_p(files, capsys):
    said = [f"喜欢老花{noun}" for noun in "包鞋帽表链"]
    write(files / "references.jsonl", *({"id": noun, "text": text} for noun, text in enumerate(said)))
    write(files / "hypotheses.jsonl", *({"id": noun, "text": text} for noun, text in enumerate(said)))
    # Another order: the ids tell which utterances belong together.
    write(files / "other.jsonl", *({"id": noun, "text": said[noun][1:]} for noun in reversed(range(5))))
    assert main(arguments(files, "--json", f"--against={files / 'other.jsonl'}")) == 0
    difference = json.loads(capsys.readouterr().out)["difference"]
    assert set(difference) == set(METRICS)
    assert difference["cer"] == {"value": -0.2, "low": -0.2, "high": -0.2, "p": pytest.approx(2 / 1001)}
    assert difference["keyword_recall"]["p"] is None
    assert main(arguments(files, f"--against={files / 'other.jsonl'}")) == 0
    printed = capsys.readouterr().out
    assert "-0.2000" in printed
    assert "significant" in printed
    assert main(arguments(files, f"--against={files / 'references.jsonl'}")) == 0
    assert "may be chance" in capsys.readouterr().out
    write(files / "other.jsonl", {"id": 0, "text": ""})
    assert main(arguments(files, f"--against={files / 'other.jsonl'}")) == 2
    assert "other.jsonl has no hypothesis for the id: '1'" in capsys.readouterr().err


def test_explain_shows_the_units_and_why(files, capsys):
    assert main(arguments(files, "--explain")) == 0
    printed = capsys.readouterr().out
    assert "花 heard as 化" in printed
    assert "one character was heard" in printed
    assert main(arguments(files, "--explain", "--json")) == 0
    explained = json.loads(capsys.readouterr().out)["explanations"]["figure"]
    assert [unit["unit"] for unit in explained["units"]["jieba"] if not unit["right"]] == ["喜欢", "老花", "speedy20"]


def test_what_looks_like_markup_is_printed_as_it_is(files, capsys):
    write(files / "references.jsonl", {"id": "[red]a[/blue] :smile:", "text": "[bold]喜欢[/italic]"})
    write(files / "hypotheses.jsonl", {"id": "[red]a[/blue] :smile:", "text": ""})
    assert main(arguments(files, "--explain")) == 0
    assert "[red]a[/blue] :smile:" in capsys.readouterr().out


def test_silence_and_numbered_ids(files, capsys):
    write(files / "references.jsonl", {"id": 1, "text": ""}, "", {"id": 2, "text": "老花"})
    write(files / "hypotheses.jsonl", {"id": "2", "text": "老花"}, {"id": "1", "text": "。"})
    assert main(arguments(files, "--json")) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["utterances"] == 2
    assert summary["cer"] == 0
    assert summary["keyword_recall"] is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "hypotheses.jsonl'. It has no rows"),
        (
            [{"id": "other", "text": ""}],
            "hypotheses.jsonl has no hypothesis for the id: 'figure'.*references.jsonl.*line 1",
        ),
        (
            [{"id": "figure", "text": ""}, "", {"id": "other", "text": ""}],
            "references.jsonl has no reference for the id: 'other'.*hypotheses.jsonl.*line 3",
        ),
        ([{"id": "figure", "text": ""}, {"id": "figure", "text": ""}], "line 2: 'figure'.*already on line 1"),
        (['{"id": "figure", "text": "喜'], "hypotheses.jsonl, line 1.*not JSON"),
        (["[1]"], "line 1.*not a JSON object"),
        ([{"id": "figure"}], "line 1.*'text' is missing"),
        ([{"text": "喜欢"}], "line 1.*'id' is missing"),
        ([{"id": "figure", "text": None}], "line 1, text: None"),
        ([{"id": None, "text": ""}], "line 1, id: None"),
        ([{"id": True, "text": ""}], "line 1, id: True"),
        ([{"id": "", "text": ""}], "line 1, id: ''"),
        (["[" * 100_000], "line 1.*not JSON"),
    ],
)
def test_a_faulty_manifest_is_one_clear_error(files, capsys, rows, message):
    write(files / "hypotheses.jsonl", *rows)
    assert main(arguments(files)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.search(message, printed.err), printed.err


def test_files_that_are_missing_or_not_utf8(files, capsys):
    (files / "hypotheses.jsonl").write_bytes('{"id": "figure", "text": "老花"}'.encode("gbk"))
    assert main(arguments(files)) == 2
    assert "line 1" in capsys.readouterr().err
    for name in ("hypotheses.jsonl", "references.jsonl", "keywords.csv"):
        (files / name).unlink()
        assert main(arguments(files)) == 2
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--segmenters=jieba,thulac"], "thulac"),
        (["--segmenters="], "at least one"),
        (["--segmenters=jieba,hanlp"], "--hanlp-model"),
        (["--segmenters=hanlp", "--hanlp-model=/nowhere"], "/nowhere"),
    ],
)
def test_a_wrong_segmenter_is_an_error(files, capsys, more, message):
    assert main(arguments(files, *more)) == 2
    assert message in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(files):
    write(files / "references.jsonl", *({"id": index, "text": "上海人喜欢老花"} for index in range(300)))
    write(files / "hypotheses.jsonl", *({"id": index, "text": "上海人喜欢老花"} for index in range(300)))
    command = [sys.executable, "-m", "jobs.score", *arguments(files, "--explain")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.read(10)
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 0


def test_a_terminal_without_chinese_still_gets_its_figures(files):
    command = [sys.executable, "-m", "jobs.score", *arguments(files, "--explain")]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "0.3913" in run.stdout


def test_neither_torch_nor_ray_is_imported():
    code = "import jobs.score, sys; print([name for name in ('torch', 'ray', 'transformers') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
