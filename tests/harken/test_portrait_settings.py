"""Options of portraits that contradict each other or do nothing."""

from pathlib import Path

import pytest

from harken.config import check, dump_yaml, load_config
from harken.errors import HarkenError
from harken.portrait_settings import PortraitSettings
from harken.settings import PipelineSettings, TranscriptSettings

ROOT = Path(__file__).resolve().parents[2]
LLM = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extractor": "llm"}, "portraits.llm is missing"),
        ({"extractor": "llm", "llm": LLM, "sound_distance": 0.1}, "sound_distance has no effect"),
        ({"llm": LLM}, "portraits.llm has no effect"),
        ({"sound_distance": 0.5}, "less than 0.5"),
        ({"columns": {}}, "at least 1"),
        ({"colums": {}}, "nearest known key is 'columns'"),
    ],
)
def test_what_does_nothing_or_contradicts_is_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        check({"products": "products.csv", **options}, PortraitSettings, "test")


def test_an_llm_reads_with_temperature_zero() -> None:
    settings = check({"products": "p.csv", "extractor": "llm", "llm": LLM}, PortraitSettings, "test")
    assert settings.llm is not None
    assert settings.llm.temperature == 0.0


def test_transcripts_need_three_sections_and_take_a_whole_configuration(tmp_path: Path) -> None:
    small = load_config(ROOT / "configs/portraits.yaml", [], TranscriptSettings)
    whole = load_config(ROOT / "configs/demo.yaml", [], TranscriptSettings)
    assert whole.portraits == small.portraits
    assert not hasattr(whole, "finetune")
    with pytest.raises(HarkenError, match="portraits"):
        load_config(ROOT / "configs/paper.yaml", [], TranscriptSettings)


def test_the_resolved_configuration_can_be_read_again(tmp_path: Path) -> None:
    settings = load_config(ROOT / "configs/demo.yaml", [], PipelineSettings)
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(settings), encoding="utf-8")
    assert load_config(path, [], PipelineSettings) == settings
