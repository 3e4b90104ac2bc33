"""A real HanLP tokenizer, trained here in seconds on a few sentences; needs the extra `hanlp`."""

from pathlib import Path

import pytest

SENTENCES = [
    "上海人 , 喜欢 老花 , 偏好 系列 , 喜欢 健身 。",
    "喜欢 上海 的 男性 。",
    "上海人 喜欢 健身 。",
    "男性 喜欢 老花 系列 。",
    "偏好 健身 的 男性 。",
]


def save_tiny_hanlp(folder: Path) -> Path:
    """Train and save a tokenizer in `folder` and return where it is; skips the test where HanLP is not installed."""
    pytest.importorskip("hanlp", reason="the extra 'hanlp' is not installed")
    import torch
    import transformers.optimization
    from transformers import BertConfig, BertModel, BertTokenizerFast

    if not hasattr(transformers.optimization, "AdamW"):
        transformers.optimization.AdamW = lambda parameters, lr=1e-3, eps=1e-6, weight_decay=0.0, **_: (
            torch.optim.AdamW(parameters, lr=lr, eps=eps, weight_decay=weight_decay)
        )
    from hanlp.components.tokenizers.transformer import TransformerTaggingTokenizer

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
