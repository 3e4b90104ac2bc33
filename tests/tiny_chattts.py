"""ChatTTS with random weights so small that its real loader, batching and vocoder run in a test."""

import hashlib
import json
import string
import sys
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

WIDTH, INNER, LAYERS = 64, 64, 2
CHARACTERS = "中年男性上海人偏好系列喜欢健身老花两三四五十二款的了买，。、,."
# Text tokens end where [break_0] begins, so the breaks come right after the vocabulary.
CONTROLS = [
    *(f"[break_{step}]" for step in range(8)),
    *(f"[{name}]" for name in ("Sasr", "Pasr", "Easr", "Stts", "Ptts", "Etts", "Sbreak", "Pbreak", "Ebreak")),
    *(f"[{name}]" for name in ("uv_break", "v_break", "lbreak", "llbreak", "undefine", "laugh", "music", "pure")),
    *("[spk_emb]", "[empty_spk]"),
    *(f"[{kind}_{step}]" for kind, steps in (("speed", 10), ("laugh", 3), ("oral", 10)) for step in range(steps)),
]


def admit_torchaudio() -> None:
    """Let torchaudio's pure Python part be imported beside a CPU build of torch that its library does not fit."""
    if torch.version.cuda is None and "torchaudio" not in sys.modules:
        extension: Any = types.ModuleType("torchaudio._extension")
        extension.__path__ = []
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_ALIGN_AVAILABLE = False
        extension.fail_if_no_align = lambda function: function
        extension._check_cuda_version = lambda: None
        sys.modules["torchaudio._extension"] = extension


def tiny_chat(folder: Path) -> Any:
    """A `ChatTTS.Chat` that is not loaded yet, and its weights under ``folder / "asset"``."""
    import ChatTTS

    chat = ChatTTS.Chat()
    _shrink(chat.config)
    assets = folder / "asset"
    tokens = _write_tokenizer(assets / "tokenizer")
    chat.config.gpt.num_text_tokens = chat.config.embed.num_text_tokens = tokens
    _write_weights(assets, chat.config)
    for path in sorted(assets.rglob("*")):
        if path.is_file():
            key = "_".join(path.relative_to(folder).parts).replace(".", "_")
            chat.sha256_map[f"sha256_{key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return chat


def _shrink(config: Any) -> None:
    from ChatTTS.model.speaker import b14

    config.gpt.hidden_size = config.embed.hidden_size = WIDTH
    config.gpt.intermediate_size = 2 * WIDTH
    config.gpt.num_attention_heads, config.gpt.num_hidden_layers = 4, LAYERS
    for part in (config.decoder, config.dvae.encoder, config.dvae.decoder):
        part.hidden, part.n_layer, part.bn_dim = INNER, LAYERS, INNER // 2
    # The decoder reads a hidden state as two frames.
    config.decoder.idim = config.decoder.odim = WIDTH // 2
    backbone = config.vocos.backbone.init_args
    backbone.dim, backbone.intermediate_dim, backbone.num_layers = INNER, 2 * INNER, LAYERS
    config.vocos.head.init_args.dim = INNER
    deviation_and_mean = np.concatenate([np.ones(WIDTH), np.zeros(WIDTH)]).astype(np.float16)
    config.spk_stat = b14.encode_to_string(deviation_and_mean.tobytes())


def _write_tokenizer(folder: Path) -> int:
    from transformers import BertTokenizerFast

    letters = string.ascii_letters
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS), *letters]
    words += [f"##{letter}" for letter in letters]
    tokenizer = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}, do_lower_case=False)
    tokenizer.add_special_tokens({"extra_special_tokens": CONTROLS})
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder)
    # ChatTTS asks for a file that transformers 5 no longer writes.
    special = folder / "special_tokens_map.json"
    if not special.exists():
        special.write_text(json.dumps({}), encoding="utf-8")
    return len(tokenizer)


def _write_weights(assets: Path, config: Any) -> None:
    from ChatTTS.core import Vocos, instantiate_class
    from ChatTTS.model import DVAE, Embed
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    parts = (config.vocos.feature_extractor, config.vocos.backbone, config.vocos.head)
    extractor, backbone, head = (instantiate_class(args=(), init=asdict(part)) for part in parts)
    dvae = config.dvae
    modules = {
        "Vocos": Vocos(feature_extractor=extractor, backbone=backbone, head=head),
        "DVAE": DVAE(asdict(dvae.decoder), asdict(dvae.encoder), asdict(dvae.vq), dim=dvae.decoder.idim),
        "Decoder": DVAE(asdict(config.decoder), dim=config.decoder.idim),
        "Embed": Embed(WIDTH, config.embed.num_audio_tokens, config.embed.num_text_tokens, config.embed.num_vq),
    }
    for name, module in modules.items():
        state = {key: value.contiguous().clone() for key, value in module.state_dict().items()}
        save_file(state, str(assets / f"{name}.safetensors"))
    LlamaModel(LlamaConfig(**asdict(config.gpt), vocab_size=64)).save_pretrained(assets / "gpt")
