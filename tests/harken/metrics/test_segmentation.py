import pickle
import subprocess
import sys

import pytest

from harken.errors import HarkenError
from harken.metrics import load_segmenters
from harken.metrics.segmentation import JiebaSegmenter, segment_words, tag_words


def test_jieba_cuts_chinese_and_never_a_word_of_letters():
    assert JiebaSegmenter().segment(["上海人", "", "café系列2024"]) == [["上海", "人"], [], ["café", "系列", "2024"]]


def test_punctuation_cannot_change_the_words():
    assert segment_words("上海人 喜欢 老花") == segment_words("上海人喜欢老花") == ["上海", "人", "喜欢", "老花"]
    assert segment_words("objets nomades系列 2 5") == ["objets", "nomades", "系列", "2", "5"]
    assert segment_words("") == []


def test_words_added_to_the_shared_jieba_change_nothing():
    import jieba

    jieba.add_word("上海人")
    try:
        assert JiebaSegmenter().segment(["上海人"]) == [["上海", "人"]]
    finally:
        jieba.del_word("上海人")


def test_loading_is_silent_and_travels_to_workers():
    code = "from harken.metrics.segmentation import segment_words; segment_words('上海人')"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=True)
    assert (run.stdout, run.stderr) == (b"", b"")
    assert pickle.loads(pickle.dumps(JiebaSegmenter())).segment(["上海人"]) == [["上海", "人"]]


@pytest.mark.parametrize(
    ("names", "model", "message"),
    [
        (["jieba", "pkuseg"], None, "jieba,pkuseg.*at most once"),
        (["jieba", "jieba"], None, "at most once"),
        ([], None, "at least one"),
        (["jieba", "hanlp"], None, "needs the folder"),
        (["hanlp"], "/nowhere", "no config.json"),
        (["jieba"], "/nowhere", "It is not used"),
    ],
)
def test_a_segmenter_that_is_not_there_is_an_error_and_never_another(names, model, message):
    with pytest.raises(HarkenError, match=message):
        load_segmenters(names, model)


def test_hanlp_that_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "hanlp", None)
    with pytest.raises(HarkenError, match="not installed"):
        load_segmenters(["hanlp"], tmp_path)


def test_parts_of_speech_are_silent_and_of_our_own_dictionary():
    code = "from harken.metrics.segmentation import tag_words; tag_words('上海人')"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=True)
    assert (run.stdout, run.stderr) == (b"", b"")
    tagged = tag_words("她喜欢上海的手提包")
    assert "".join(word for word, _ in tagged) == "她喜欢上海的手提包"
    assert dict(tagged)["上海"] == "ns"
    assert dict(tagged)["喜欢"] == "v"
