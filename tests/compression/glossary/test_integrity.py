import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from compression.glossary.glossary import open_glossary
from compression.glossary.segment import ARRAYS
from compression.glossary.store import GlossaryStore
from harken.errors import HarkenError
from tests.compression.glossary.samples import DESCRIPTION, MODELS, centroids, enrolment, entry


@pytest.fixture
def store(tmp_path) -> GlossaryStore:
    store = GlossaryStore.create(tmp_path / "store", DESCRIPTION, centroids())
    store.add([entry(number) for number in range(12)], [enrolment(number) for number in range(12)])
    store.remove(["term 4"])
    return store


@pytest.mark.parametrize("kind", ["encoder", "spotter", "search"])
def test_a_glossary_of_other_models_is_refused(store, kind):
    assert len(open_glossary(store.folder, MODELS)) == 11
    with pytest.raises(HarkenError, match=f"{kind}.*'{kind}-1'.*in use is 'mine'"):
        open_glossary(store.folder, MODELS.model_copy(update={kind: "mine"}))


FILES = [*(f"segments/000001/{name}.npy" for name in ARRAYS), "segments/000001/terms.arrow", "centroids.npy"]


@pytest.mark.parametrize("name", [*FILES, "tombstones/000001-000002.npy"])
def test_a_file_that_is_missing_cut_or_changed_is_told(store, name):
    path = store.folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HarkenError, match=f"{path.name}.*not what was written"):
        store.verify()
    path.write_bytes(content[:-1])
    with pytest.raises(HarkenError, match=f"{path.name}.*damaged"):
        open_glossary(store.folder)
    path.unlink()
    with pytest.raises(HarkenError, match=f"{path.name}.*missing"):
        open_glossary(store.folder)


def test_arrays_that_do_not_belong_together_are_told(store):
    folder = store.folder / "segments" / "000001"
    (folder / "postings.npy").write_bytes((folder / "postings.npy").read_bytes().replace(b"<i4", b"<f4"))
    with pytest.raises(HarkenError, match="does not belong here"):
        open_glossary(store.folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other"}, "format is not"),
        ({"format_version": 2}, "reads version 1"),
        ({"segments": [{"name": "x"}]}, "manifest"),
        ({"notes": 1}, "notes"),
    ],
)
def test_another_format_is_told(store, change, told):
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(HarkenError, match=told):
        open_glossary(store.folder)


def test_what_is_no_glossary_is_told(store, tmp_path):
    for folder in (tmp_path / "nothing", tmp_path, store.folder / "centroids.npy"):
        with pytest.raises(HarkenError, match="holds no manifest"):
            open_glossary(folder)
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(HarkenError, match="cannot be read"):
        GlossaryStore(store.folder)


def test_one_writer_at_a_time(store):
    with store.adding() as writer:
        writer.add([entry(20)], [enrolment(20)])
        with pytest.raises(HarkenError, match=f"Process {os.getpid()} .*is changing it"):
            GlossaryStore(store.folder).remove(["term 1"])
        assert len(open_glossary(store.folder)) == 11
    assert len(open_glossary(store.folder)) == 12


def _killed_while_adding(folder: Path, ready: str) -> None:
    with GlossaryStore(folder).adding() as writer:
        writer.add([entry(30)], [enrolment(30)])
        Path(ready).touch()
        time.sleep(600)


@pytest.mark.faults
def test_a_killed_writer_leaves_the_last_version_and_its_leftovers_are_cleared(store, tmp_path):
    ready = tmp_path / "ready"
    process = multiprocessing.get_context("spawn").Process(target=_killed_while_adding, args=(store.folder, str(ready)))
    process.start()
    while not ready.exists():
        assert process.is_alive()
        time.sleep(0.05)
    with pytest.raises(HarkenError, match=f"Process {process.pid} "):
        store.compact()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    _leftovers_are_cleared(store)


def test_leftovers_of_a_version_that_was_never_published_are_cleared(store):
    (store.folder / "segments" / "000003").mkdir()
    (store.folder / "segments" / "000003.waiting").mkdir()
    (store.folder / "tombstones" / "000001-000003.npy").write_bytes(b"")
    (store.folder / "versions" / "000003.json").write_text("{")
    (store.folder / "tombstones" / ".000001-000003.npy.77.tmp").write_bytes(b"")
    (store.folder / ".manifest.json.77.tmp").write_text("{")
    with pytest.raises(HarkenError, match=r"kept: \[0, 1, 2\]"):
        open_glossary(store.folder, version=3)
    _leftovers_are_cleared(store)


def _leftovers_are_cleared(store: GlossaryStore) -> None:
    assert len(open_glossary(store.folder)) == 11
    store.add([entry(31)], [enrolment(31)])
    assert len(open_glossary(store.folder)) == 12
    assert sorted(path.name for path in (store.folder / "segments").iterdir()) == ["000001", "000003"]
    assert [path.name for path in (store.folder / "tombstones").iterdir()] == ["000001-000002.npy"]
    store.verify()
