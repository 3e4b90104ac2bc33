import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.glossary import Glossary, open_glossary
from compression.glossary.store import GlossaryStore
from harken.errors import HarkenError
from harken.records import generator
from tests.compression.glossary.samples import DESCRIPTION, centroids, enrolment, entry, windows


def created(folder: Path) -> GlossaryStore:
    return GlossaryStore.create(folder, DESCRIPTION, centroids())


def added(store: GlossaryStore, *numbers: int, voices: str = "a") -> None:
    store.add(
        [entry(number) for number in numbers], [enrolment(number, voice) for number in numbers for voice in voices]
    )


class Contents:
    """What a glossary should hold after some operations, as plain dictionaries."""

    def __init__(self) -> None:
        self.spellings: dict[int, dict[str, Spelling]] = {}
        self.recordings: dict[int, dict[str, Enrolment]] = {}

    def add(self, entries: list[tuple[int, Entry]], recordings: list[tuple[int, Enrolment]]) -> None:
        for number, given in entries:
            self.spellings.setdefault(number, {}).update({spelling.text: spelling for spelling in given.spellings})
        for number, given in recordings:
            self.recordings.setdefault(number, {})[given.voice] = given

    def remove(self, terms: list[str]) -> None:
        for number in list(self.spellings):
            for term in terms:
                self.spellings[number].pop(term, None)
            if not self.spellings[number]:
                del self.spellings[number], self.recordings[number]

    def rebuilt(self, folder: Path) -> GlossaryStore:
        """A new store of it, in one step and the opposite order."""
        store = created(folder)
        numbers = sorted(self.spellings, reverse=True)
        store.add(
            [Entry(entry(number).phonemes, tuple(self.spellings[number].values())) for number in numbers],
            [recording for number in numbers for recording in reversed(self.recordings[number].values())],
        )
        return store


def told(glossary: Glossary) -> list[object]:
    """All that a glossary says, in terms that hold for any other of the same content."""
    vectors, lengths = windows()
    says: list[object] = [len(glossary)]
    for probes, partitions in ((3, None), (None, None), (2, (0, 1, 2, 3)), (4, (1, 4, 6))):
        found = glossary.span_candidates(vectors, lengths, probes, 0.1, partitions)
        ids, frames = glossary.entry_ids[found.entries].tolist(), glossary.frames(found.enrolments)
        says += [ids, found.similarities.tolist(), found.windows.tolist(), found.partitions.tolist()]
        says += [frames[0].tobytes(), frames[1].tolist(), glossary.statistics(found.enrolments).tobytes()]
        says += [glossary.entry(index) for index in found.entries.tolist()]
    for partition in range(8):
        live = glossary.enrolments(partition)
        says += [glossary.entry_ids[glossary.entries[live]].tolist(), glossary.frames(live, unit=False)[0].tobytes()]
        says += [glossary.lengths[live].tolist()]
    return says


def files(folder: Path) -> dict[str, bytes]:
    (segment,) = (folder / "segments").iterdir()
    return {path.name: path.read_bytes() for path in segment.iterdir()}


@pytest.mark.parametrize("seed", range(4))
def test_after_any_operations_a_glossary_is_what_a_new_one_of_the_same_terms_is(tmp_path, seed):
    random = generator("operations", seed)
    store, contents = created(tmp_path / "store"), Contents()
    for step in range(9):
        known = sorted(contents.spellings)
        operation = random.choice(["add", "add", "remove", "compact"]) if known else "add"
        if operation == "add":
            numbers = random.sample(range(50), random.randint(1, 25))
            entries = [(number, entry(number, *random.sample(["so", "too", f"x{number}"], 1))) for number in numbers]
            recorded = [number for number in numbers if number not in known or random.random() < 0.5]
            recordings = [(number, enrolment(number, random.choice("abc"), step)) for number in recorded]
            recordings += [(number, enrolment(number, random.choice("abc"), step + 50)) for number in recorded[:5]]
            store.add([given for _, given in entries], [given for _, given in recordings])
            contents.add(entries, recordings)
        elif operation == "remove":
            texts = sorted({text for spellings in contents.spellings.values() for text in spellings})
            terms = random.sample(texts, random.randint(1, len(texts) // 2))
            store.remove(terms)
            contents.remove(terms)
        else:
            store.compact()
        if contents.spellings and step % 3 == 2:
            rebuilt = contents.rebuilt(tmp_path / f"rebuilt-{step}")
            assert told(open_glossary(store.folder)) == told(open_glossary(rebuilt.folder))
    if not contents.spellings:
        added(store, 1)
        contents.add([(1, entry(1))], [(1, enrolment(1))])
    store.compact()
    store.prune()
    store.verify()
    assert files(store.folder) == files(contents.rebuilt(tmp_path / "rebuilt").folder)


def test_homophones_are_one_entry_with_all_their_spellings(tmp_path):
    store = created(tmp_path / "store")
    store.add([entry(1, "Zoe")], [enrolment(1), enrolment(1, "b")])
    store.add([entry(1, "Anna")], [])
    glossary = open_glossary(store.folder)
    assert len(glossary) == 1
    (live,) = [glossary.enrolments(partition) for partition in range(8) if len(glossary.enrolments(partition))]
    term = glossary.entry(int(glossary.entries[live[0]]))
    assert (term.term, term.spellings) == ("Anna", ("Anna", "Zoe", "term 1"))
    assert (term.category, term.entry_id) == ("", entry(1).id)
    assert len(live) == 2
    store.remove(["Anna", "term 1"])
    left = open_glossary(store.folder)
    (again,) = [left.enrolments(partition) for partition in range(8) if len(left.enrolments(partition))]
    assert left.entry(int(left.entries[again[0]])).spellings == ("Zoe",)
    assert np.array_equal(left.frames(again)[0], glossary.frames(live)[0])


def test_frames_are_unit_vectors_padded_with_zeros(tmp_path):
    store = created(tmp_path / "store")
    added(store, *range(30), voices="ab")
    glossary = open_glossary(store.folder)
    chosen, rows = glossary.enrolments_of(glossary.find(np.array([entry(3).id, entry(17).id], np.uint64)))
    assert rows.tolist() == [0, 0, 1, 1]
    values, lengths = glossary.frames(chosen)
    recorded = [enrolment(number, voice) for number in (3, 17) for voice in "ab"]
    assert lengths.tolist() == [recording.frames.shape[1] for recording in recorded]
    assert values.shape == (4, 2, lengths.max(), 8)
    assert values.dtype == np.float32
    for value, length, recording in zip(values, lengths.tolist(), recorded, strict=True):
        assert np.allclose(np.linalg.norm(value[:, :length], axis=-1), 1)
        assert not value[:, length:].any()
        cosines = (value[:, :length] * recording.frames).sum(-1) / np.linalg.norm(recording.frames, axis=-1)
        assert cosines.min() > 0.97
    kept, _ = glossary.frames(chosen, unit=False)
    assert np.abs(kept[0, :, : lengths[0]] - recorded[0].frames).max() < np.abs(recorded[0].frames).max() / 13
    assert glossary.statistics(chosen).tolist() == [recording.statistics.tolist() for recording in recorded]


def test_a_reader_keeps_what_it_opened_and_versions_stay_until_they_are_pruned(tmp_path):
    store = created(tmp_path / "store")
    added(store, *range(20))
    opened = open_glossary(store.folder)
    before = told(opened)
    store.remove(["term 3"])
    added(store, 40)
    store.compact()
    assert told(opened) == before
    assert told(open_glossary(store.folder, version=1)) == before
    assert open_glossary(store.folder).manifest.version == 4
    assert store.prune(keep=2) == [0, 1, 2]
    assert told(opened) == before
    assert len(open_glossary(store.folder, version=3)) == 20
    with pytest.raises(HarkenError, match=r"kept: \[3, 4\]"):
        open_glossary(store.folder, version=1)
    assert store.prune() == [3]
    assert len(list((store.folder / "segments").iterdir())) == 1
    assert list((store.folder / "tombstones").iterdir()) == []
    store.verify()


def test_what_changes_nothing_makes_no_version(tmp_path):
    store = created(tmp_path / "store")
    added(store, 1, 2)
    store.compact()
    store.add([], [])
    store.remove([])
    assert store.manifest.version == 1


def test_an_error_while_adding_leaves_the_last_version_and_nothing_else(tmp_path):
    store = created(tmp_path / "store")
    added(store, 1, 2)
    with pytest.raises(HarkenError, match="shape of the frames"), store.adding() as writer:  # noqa: PT012
        writer.add([entry(3)], [enrolment(3)])
        writer.add([], [replace(enrolment(3), frames=np.ones((3, 5, 8)))])
    with pytest.raises(HarkenError, match="no recording"):
        store.add([entry(3)], [])
    with pytest.raises(HarkenError, match="not in the glossary"):
        store.add([], [enrolment(3)])
    assert store.manifest.version == 1
    assert [path.name for path in (store.folder / "segments").iterdir()] == ["000001"]
    assert len(open_glossary(store.folder)) == 2


def test_unknown_terms_are_refused_and_nothing_is_removed(tmp_path):
    store = created(tmp_path / "store")
    added(store, 1, 2)
    with pytest.raises(HarkenError, match=r"'term 8'\. 2 of 3 terms are not in the glossary"):
        store.remove(["term 1", "term 9", "term 8"])
    assert len(open_glossary(store.folder)) == 2
    with pytest.raises(HarkenError, match="term to remove"):
        created(tmp_path / "new").remove(["term 1"])


def test_an_empty_glossary_is_told_when_it_is_opened(tmp_path):
    store = created(tmp_path / "store")
    with pytest.raises(HarkenError, match="holds no terms"):
        open_glossary(store.folder)
    added(store, 1)
    store.remove(["term 1"])
    with pytest.raises(HarkenError, match="holds no terms"):
        open_glossary(store.folder)
    added(store, 1)
    assert len(open_glossary(store.folder)) == 1


def test_a_new_glossary_needs_an_empty_folder_and_fitting_centroids(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(HarkenError, match="not empty"):
        created(tmp_path)
    with pytest.raises(HarkenError, match="lists, 16"):
        GlossaryStore.create(tmp_path / "store", DESCRIPTION, centroids()[:, :8])


def test_bytes_are_accounted_for(tmp_path):
    store = created(tmp_path / "store")
    added(store, *range(40))
    store.remove(["term 7"])
    sizes = store.sizes()
    frames = sum(enrolment(number).frames.shape[1] for number in range(40))
    assert abs(sizes.frames - frames * 2 * 8 // 2) <= 128
    assert abs(sizes.scales - frames * 2 * 2) <= 128
    assert abs(sizes.spans - 40 * 16) <= 128
    assert abs(sizes.statistics - 40 * 8) <= 128
    kept = [path for name in ("segments", "tombstones") for path in (store.folder / name).rglob("*.*")]
    assert sizes.total == sum(path.stat().st_size for path in [*kept, store.folder / "centroids.npy"])
    assert sizes.per_entry == sizes.total / 39


def test_a_copy_of_the_folder_is_the_glossary(tmp_path):
    store = created(tmp_path / "store")
    added(store, *range(10))
    shutil.copytree(store.folder, tmp_path / "copy")
    assert told(open_glossary(tmp_path / "copy")) == told(open_glossary(store.folder))


def test_a_revised_glossary_is_what_a_new_one_of_the_same_terms_is(tmp_path):
    store = created(tmp_path / "store")
    store.add([entry(number) for number in range(6)], [enrolment(n, v) for n in range(6) for v in "ab"])
    # 1 goes; 2 loses a recording and gets a spelling; 3 gets another recording; 9 is new; the rest stays.
    dropped = {(entry(2).id, "b")}
    revised = np.array([entry(number).id for number in (1, 2, 3)], dtype=np.uint64)
    with store.revising(revised, dropped) as writer:
        respelled = Entry(entry(2).phonemes, (Spelling("other"),))
        writer.add([respelled, entry(3), entry(9)], [enrolment(3, "b", 1), enrolment(9)])
    new = created(tmp_path / "new")
    recordings = [enrolment(n, v) for n in (0, 4, 5) for v in "ab"]
    recordings += [enrolment(2, "a"), enrolment(3, "a"), enrolment(3, "b", 1), enrolment(9)]
    new.add([*(entry(number) for number in (0, 3, 4, 5, 9)), respelled], recordings)
    assert told(open_glossary(store.folder)) == told(open_glossary(new.folder))
    assert [segment.removed for segment in store.manifest.segments] == [3, 0]
    store.compact()
    store.prune()
    assert files(store.folder) == files(new.folder)


def test_what_is_revised_and_not_added_is_gone_and_an_error_changes_nothing(tmp_path):
    store = created(tmp_path / "store")
    added(store, 1, 2)
    both = np.array([entry(number).id for number in (1, 2, 7)], dtype=np.uint64)
    with pytest.raises(HarkenError, match="entry"), store.revising(both) as writer:
        writer.add([entry(5)], [])
    assert store.manifest.entries == 2
    with store.revising(both):
        pass
    assert (store.manifest.entries, store.manifest.segments) == (0, ())
    version = store.manifest.version
    with store.revising(both):
        pass
    assert store.manifest.version == version
