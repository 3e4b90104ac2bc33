"""Configuration: what is read, what is overridden, and how each mistake is told."""

from pathlib import Path

import pytest

from harken.config import Section, dump_yaml, load_config
from harken.errors import HarkenError
from harken.settings import PipelineSettings

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "configs" / "demo.yaml"


class Inner(Section):
    depth: int = 1


class Outer(Section):
    name: str
    inner: Inner = Inner()


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_resolved_configuration_reads_back_as_itself(tmp_path: Path) -> None:
    settings = load_config(DEMO, [], PipelineSettings)
    again = load_config(write(tmp_path, dump_yaml(settings)), [], PipelineSettings)
    assert again == settings


def test_overrides_are_yaml_and_reach_nested_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\n")
    assert load_config(path, ["inner.depth=7", "name='07'"], Outer) == Outer(name="07", inner=Inner(depth=7))


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = load_config(write(tmp_path, "name: a\n"), [], Outer)
    with pytest.raises(ValueError, match="frozen"):
        settings.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["speech.voicez=3"], ["speech.voicez", "'speech.voices'"]),
        (["lables.count=3"], ["lables", "'labels'"]),
        (["finetune.lora.rnk=3"], ["finetune.lora.rnk", "'finetune.lora.rank'"]),
        (["finetune.epochs=many"], ["finetune.epochs", "many", "integer"]),
        (["finetune.epochs=0"], ["finetune.epochs", "greater than 0"]),
        (["labels.count"], ["labels.count", "section.key=value"]),
        (["model.size=3"], ["model", "not a section"]),
        (["labels.count=[1"], ["labels.count", "YAML"]),
        (["speech.voices.speakers=[]"], ["speech.voices.speakers"]),
        (["evaluate.voices.speakers=[cmn]"], ["cmn", "unheard"]),
    ],
)
def test_a_mistake_names_the_key_the_value_and_the_remedy(overrides: list[str], parts: list[str]) -> None:
    with pytest.raises(HarkenError) as failure:
        load_config(DEMO, overrides, PipelineSettings)
    for part in parts:
        assert part in str(failure.value)


@pytest.mark.parametrize(
    ("text", "part"), [("- a\n", "mapping"), ("name: [\n", "YAML"), ("", "missing"), ("inner: 3\nname: a\n", "inner")]
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(HarkenError, match=part):
        load_config(write(tmp_path, text), [], Outer)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"absent\.yaml.*does not exist"):
        load_config(tmp_path / "absent.yaml", [], Outer)
