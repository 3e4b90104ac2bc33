from pathlib import Path

import pytest

from harken.corpora.acl6060 import tagged_terms
from harken.corpora.loading import load_corpus
from harken.errors import HarkenError
from tests.harken.corpora.recordings import record, write_lines

SENTENCES = (
    "Hello. My name is Asaf Harari.",
    "And I will present our paper, Few-Shot Tabular Data Enrichment Using Fine-Tuned Transformers Architectures.",
    "Data scientists analyze data.",
)
TAGGED = (
    "Hello. My name is Asaf Harari.",
    "And I will present our [paper], [Few-Shot] Tabular [Data] Enrichment Using Fine-Tuned [Transformers].",
    "[Data] scientists analyze [data].",
)


def write_acl6060(root: Path, gold: str = "gold", split: str = "eval") -> Path:
    home = root / "2" / "acl_6060" / split
    write_lines(home / "text" / "txt" / f"ACL.6060.{split}.en-xx.en.txt", *SENTENCES)
    write_lines(home / "text" / "tagged_terminology" / f"ACL.6060.{split}.tagged.en-xx.en.txt", *TAGGED)
    for number in range(1, 4):
        record(home / "segmented_wavs" / gold / f"sent_{number}.wav")
    record(home / "segmented_wavs" / "shas" / "sent_9.wav")
    return home


@pytest.mark.parametrize("gold", ["gold", ""])
@pytest.mark.parametrize("inside", ["", "2", "2/acl_6060"])
def test_sentences_belong_to_recordings_by_number(tmp_path: Path, gold: str, inside: str) -> None:
    home = write_acl6060(tmp_path, gold)
    corpus = load_corpus("acl6060", tmp_path / inside, split="eval")
    assert corpus.without_audio == 0
    assert [(row["id"], row["text"]) for row in corpus.rows] == [
        (f"eval-sent_{number:04d}", text) for number, text in enumerate(SENTENCES, start=1)
    ]
    assert corpus.rows[1]["audio_path"] == str(home / "segmented_wavs" / gold / "sent_2.wav")
    assert corpus.rows[1]["language"] == "en"


def test_marked_terms(tmp_path: Path) -> None:
    folder = write_acl6060(tmp_path) / "text" / "tagged_terminology"
    assert tagged_terms(folder / "ACL.6060.eval.tagged.en-xx.en.txt") == [
        "paper",
        "Few-Shot",
        "Data",
        "Transformers",
        "data",
    ]
    with pytest.raises(HarkenError, match="marks no"):
        tagged_terms(write_lines(tmp_path / "plain.txt", *SENTENCES))


def test_what_is_missing_or_does_not_belong_together_is_named(tmp_path: Path) -> None:
    home = write_acl6060(tmp_path)
    with pytest.raises(HarkenError, match=r"acl_6060/dev or .*2/acl_6060/dev"):
        load_corpus("acl6060", tmp_path, split="dev")
    with pytest.raises(HarkenError, match=r"'test'. Use dev or eval"):
        load_corpus("acl6060", tmp_path, split="test")
    (home / "segmented_wavs" / "gold" / "sent_2.wav").unlink()
    assert load_corpus("acl6060", tmp_path, split="eval").without_audio == 1
    text = home / "text" / "txt" / "ACL.6060.eval.en-xx.en.txt"
    for lines in ([SENTENCES[0]], [SENTENCES[0], "", *SENTENCES[1:]]):
        write_lines(text, *lines)
        with pytest.raises(HarkenError, match=r"one release"):
            load_corpus("acl6060", tmp_path, split="eval")
