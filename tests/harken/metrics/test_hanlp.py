"""HanLP as a segmenter, on a tokenizer trained here in seconds; needs the extra `hanlp`."""

import pytest

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import ier_by_segmenter, load_segmenters, score_utterance

pytestmark = pytest.mark.slow

SENTENCES = [
    "上海人 , 喜欢 老花 , 偏好 系列 , 喜欢 健身 。",
    "喜欢 上海 的 男性 。",
    "上海人 喜欢 健身 。",
    "男性 喜欢 老花 系列 。",
    "偏好 健身 的 男性 。",
]


@pytest.fixture(scope="module")
def hanlp_folder(tmp_path_factory):
    pytest.importorskip("hanlp", reason="the extra 'hanlp' is not installed")
    import torch
    import transformers.optimization
    from transformers import BertConfig, BertModel, BertTokenizerFast

    if not hasattr(transformers.optimization, "AdamW"):
        transformers.optimization.AdamW = lambda parameters, lr=1e-3, eps=1e-6, weight_decay=0.0, **_: (
            torch.optim.AdamW(parameters, lr=lr, eps=eps, weight_decay=weight_decay)
        )
    from hanlp.components.tokenizers.transformer import TransformerTaggingTokenizer

    folder = tmp_path_factory.mktemp("hanlp")
    encoder, saved = folder / "encoder", folder / "tokenizer"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(SENTENCES)) - {" "})]
    BertTokenizerFast(vocab={token: index for index, token in enumerate(vocabulary)}).save_pretrained(encoder)
    torch.manual_seed(0)
    shape = BertConfig(vocab_size=len(vocabulary), hidden_size=64, num_hidden_layers=2, num_attention_heads=2)
    BertModel(shape).save_pretrained(encoder)
    training = folder / "training.txt"
    training.write_text("\n".join(SENTENCES * 20), encoding="utf-8")
    TransformerTaggingTokenizer().fit(
        str(training), str(training), str(saved), transformer=str(encoder), epochs=5, lr=1e-3, transformer_lr=1e-3,
        batch_size=16, max_seq_len=64, char_level=True, hard_constraint=True, word_dropout=0.0, devices=-1, seed=1,
    )  # fmt: skip
    encoder.rename(saved / "transformer")
    return saved


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
