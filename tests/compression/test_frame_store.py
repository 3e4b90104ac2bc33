import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from compression.frame_store import FrameNotes, StoredFrames, write_frames
from compression.pairs import Pair, collate
from compression.storage import write_tensors
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings

KEYWORDS = FrameNotes("nano", (2, 3, 5), EnrolmentSettings())
UTTERANCES = FrameNotes("nano", (2, 3, 5))


def made(*names: str, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(3, 4 + place, 8, generator=generator) for place, name in enumerate(names)}


FIRST, SECOND, HEARD = made("k0", "k1", seed=1), made("k2", seed=2), made("u0", "u1", seed=3)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, dict[str, Path]]:
    write_frames(tmp_path / "first", FIRST, KEYWORDS)
    write_frames(tmp_path / "second", SECOND, KEYWORDS)
    write_frames(tmp_path / "heard", HEARD, UTTERANCES)
    return {
        "keyword_files": {"k0": tmp_path / "first", "k1": tmp_path / "first", "k2": tmp_path / "second"},
        "utterance_files": {"u0": tmp_path / "heard", "u1": tmp_path / "heard"},
    }


def test_what_was_written_is_read_in_half_precision_and_the_wanted_layers_only(files):
    stored = StoredFrames(**files, layers=(3, 5))
    for name, frames in (FIRST | SECOND).items():
        assert torch.equal(stored.keyword(name), frames[1:].half())
    assert torch.equal(stored.utterance("u1"), HEARD["u1"][1:].half())
    assert torch.equal(StoredFrames(**files, layers=(2, 5)).utterance("u0"), HEARD["u0"][[0, 2]].half())
    assert torch.equal(StoredFrames(**files, layers=(2, 3, 5)).utterance("u0"), HEARD["u0"].half())


def test_it_is_a_frame_source(files):
    batch = collate([Pair("k2", "u1", True), Pair("k0", "u1", False)], StoredFrames(**files, layers=(2, 3)))
    assert batch.keywords.values.dtype == torch.float32
    assert batch.keywords.lengths.tolist() == [4, 4]
    assert torch.equal(batch.utterances.values[0], HEARD["u1"][:2].half().float())


def test_it_pickles_after_it_was_read_from(files):
    stored = StoredFrames(**files, layers=(3,))
    stored.keyword("k0")
    assert torch.equal(pickle.loads(pickle.dumps(stored)).keyword("k0"), stored.keyword("k0"))


def test_writing_twice_writes_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        write_frames(tmp_path / name, dict(sorted(FIRST.items(), reverse=name == "one")), KEYWORDS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_values_beyond_half_precision_are_refused(tmp_path):
    with pytest.raises(HarkenError, match=r"'loud'. Their values are beyond float16"):
        write_frames(tmp_path / "file", {"loud": torch.full((3, 2, 8), 1e5)}, KEYWORDS)
    assert not (tmp_path / "file").exists()


def test_names_and_layers_that_were_not_stored_are_named(files):
    stored = StoredFrames(**files, layers=(3,))
    with pytest.raises(HarkenError, match=r"keyword: 'k9'\. No frames are stored"):
        stored.keyword("k9")
    with pytest.raises(HarkenError, match=r"utterance: 'k0'\. No frames are stored"):
        stored.utterance("k0")
    with pytest.raises(HarkenError, match=r"keyword frames: \[4, 6\]\. The files hold \[2, 3, 5\]"):
        StoredFrames(**files, layers=(3, 4, 6))
    with pytest.raises(HarkenError, match="There is no utterance to read"):
        StoredFrames(files["keyword_files"], {}, layers=(3,))
    misplaced = {**files["keyword_files"], "k2": files["keyword_files"]["k0"]}
    with pytest.raises(HarkenError, match=r"'k2'. The file does not hold it"):
        StoredFrames(misplaced, files["utterance_files"], (3,)).keyword("k2")


def test_a_damaged_file_is_found_when_it_is_needed(files, tmp_path):
    (tmp_path / "second").write_bytes((tmp_path / "second").read_bytes()[:-10])
    stored = StoredFrames(**files, layers=(3,))
    assert stored.keyword("k1").shape == (1, 5, 8)
    with pytest.raises(HarkenError, match=r"second'\. It is damaged"):
        stored.keyword("k2")
    (tmp_path / "second").unlink()
    with pytest.raises(HarkenError, match=r"second'\. It does not exist"):
        stored.keyword("k2")


@pytest.mark.parametrize(
    "notes",
    [
        FrameNotes("other", (2, 3, 5), EnrolmentSettings()),
        FrameNotes("nano", (2, 3, 4), EnrolmentSettings()),
        FrameNotes("nano", (2, 3, 5), EnrolmentSettings(trim_db=None)),
        FrameNotes("nano", (2, 3, 5)),
    ],
    ids=["model", "layers", "enrolment", "utterances"],
)
def test_files_of_other_notes_do_not_mix(files, tmp_path, notes):
    write_frames(tmp_path / "second", SECOND, notes)
    stored = pickle.loads(pickle.dumps(StoredFrames(**files, layers=(3,))))
    with pytest.raises(HarkenError, match=r"frames of .*second.*do not mix them"):
        stored.keyword("k2")


def test_files_that_do_not_belong_together_are_refused_at_once(files, tmp_path):
    with pytest.raises(HarkenError, match="does not hold keywords: exchange the two"):
        StoredFrames(files["utterance_files"], files["keyword_files"], (3,))
    write_frames(tmp_path / "heard", HEARD, FrameNotes("large", (2, 3, 5)))
    with pytest.raises(HarkenError, match=r"'nano'\. The utterances' are of large"):
        StoredFrames(**files, layers=(3,))
    write_tensors(tmp_path / "heard", HEARD, {})
    with pytest.raises(HarkenError, match=r"This release reads harken-frames 1"):
        StoredFrames(**files, layers=(3,))
