from pathlib import Path

import numpy as np
import pytest

from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.memory import MemoryGlossary
from harken.errors import HarkenError
from tests.tiny_glossary import enrolled, entry, in_memory, parts, recording, stored, utterance


def test_it_says_what_a_store_says(tmp_path: Path) -> None:
    living, on_disk = in_memory(), stored(tmp_path / "glossary")
    assert np.array_equal(living.entry_ids, np.sort(on_disk.entry_ids))
    windows = parts()[1].spans.windows(utterance({2: 11, 12: 25}).frames())
    vectors, lengths = windows.vectors.numpy(), (windows.ends - windows.starts).numpy()
    found, expected = (one.span_candidates(vectors, lengths, None, 0.2) for one in (living, on_disk))
    assert len(found) > 5
    for name in ("similarities", "windows", "partitions"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    for own, other in zip(found.entries, expected.entries, strict=True):
        assert living.entry(own) == on_disk.entry(other)
    for partition in living.partitions:
        own, other = living.enrolments(partition), on_disk.enrolments(partition)
        assert np.array_equal(living.lengths[own], on_disk.lengths[other])
        assert np.array_equal(living.statistics(own), on_disk.statistics(other))
        (values, own_lengths), (rounded, other_lengths) = living.frames(own), on_disk.frames(other)
        assert np.array_equal(own_lengths, other_lengths)
        assert np.allclose(values, rounded, atol=0.01)
    own, owners = living.enrolments_of([3, 7])
    assert living.entries[own].tolist() == [3, 3, 7, 7]
    assert owners.tolist() == [0, 0, 1, 1]


def test_frames_have_length_1_and_zeros_after_them():
    values, lengths = in_memory([1, 4, 7]).frames([0, 1, 2, 3, 4, 5])
    real = np.arange(values.shape[2]) < lengths[:, None]
    norms = np.linalg.norm(values, axis=-1).transpose(0, 2, 1)
    assert np.allclose(norms[real], 1)
    assert not norms[~real].any()


def test_homophones_are_one_entry_and_a_voice_has_one_recording():
    _, (first, *_) = enrolled([3], "a")
    again = Enrolment(first.entry_id, first.voice, recording(3, "b").numpy(), first.span, first.statistics)
    spelled = Entry(entry(3).phonemes, (Spelling("Term Three"), Spelling("term 3", category="other")))
    glossary = MemoryGlossary([entry(3), spelled], [first, again])
    assert len(glossary) == 1
    assert glossary.entry(0).spellings == ("Term Three", "term 3")
    assert glossary.entry(0).category == ""
    frames = glossary.frames([0])[0]
    direction = again.frames / np.linalg.norm(again.frames, axis=-1, keepdims=True)
    assert frames.shape[0] == 1
    assert np.allclose(frames[0], direction, atol=1e-6)


def test_what_cannot_be_searched_is_refused():
    entries, enrolments = enrolled([1, 2], "a")
    with pytest.raises(HarkenError, match="no terms"):
        MemoryGlossary([], [])
    with pytest.raises(HarkenError, match="term without a recording: 'term 2'"):
        MemoryGlossary(entries, enrolments[:1])
    with pytest.raises(HarkenError, match="enrolment of no entry"):
        MemoryGlossary(entries[:1], enrolments)
    empty = Enrolment(entries[0].id, "b", enrolments[0].frames[:, :0], enrolments[0].span, enrolments[0].statistics)
    with pytest.raises(HarkenError, match="recording without frames"):
        MemoryGlossary(entries, [*enrolments, empty])
    other = Enrolment(entries[0].id, "b", enrolments[0].frames, enrolments[0].span[:5], enrolments[0].statistics)
    with pytest.raises(HarkenError, match="first one's shapes"):
        MemoryGlossary(entries, [*enrolments, other])
