"""HanLP as a segmenter, on a tokenizer trained here in seconds; needs the extra `hanlp`."""

import pytest

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import ier_by_segmenter, load_segmenters, score_utterance
from tests.tiny_hanlp import save_tiny_hanlp

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hanlp_folder(tmp_path_factory):
    return save_tiny_hanlp(tmp_path_factory.mktemp("hanlp"))


def test_figure_three_under_both_segmenters(hanlp_folder):
    """The paper's own segmentation of Figure 3 was HanLP's: IER .375 there, .333 with jieba, .354 over both."""
    segmenters = load_segmenters(["jieba", "hanlp"], hanlp_folder)
    score = score_utterance(
        "上海人,喜欢老花,偏好speedy 20系列,喜欢健身。",
        "上海人,喜老化, 偏好PT二十系列,喜欢健身。",
        KeywordMatcher([Keyword("speedy 20", "SERIES")]),
        segmenters,
    )
    parts = ier_by_segmenter([score])
    assert list(parts) == ["jieba", "hanlp"]
    assert parts["hanlp"]["units"] == {"W": 7, "C": 0, "S": 1}
    assert parts["hanlp"]["errors"] == {"W": 1, "C": 1, "S": 1}
    assert parts["hanlp"]["ier"] == pytest.approx(3 / 8)


def test_empty_text_and_unknown_characters(hanlp_folder):
    (segmenter,) = load_segmenters(["hanlp"], hanlp_folder)
    cut = segmenter.segment(["", "喜欢巴黎café"])
    assert cut[0] == []
    assert "".join(cut[1]) == "喜欢巴黎café"


def test_a_folder_that_is_no_tokenizer(hanlp_folder, tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(HarkenError, match="HanLP cannot load it"):
        load_segmenters(["hanlp"], tmp_path)
