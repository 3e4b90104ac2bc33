import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serve.backend import GlossaryVersion
from serve.replicas.opened import OpenVersions


class Opened:
    def __init__(self, version: GlossaryVersion) -> None:
        self.version = version


class Opener:
    """Opens versions of ten bytes each."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def __call__(self, version: GlossaryVersion) -> tuple[Opened, int]:
        self.gate.wait(60)
        self.opened.append((version.glossary_id, version.version))
        if self.broken:
            raise OSError("gone")
        return Opened(version), 10


def version(glossary: str, number: int = 1) -> GlossaryVersion:
    return GlossaryVersion(glossary, number, Path(glossary))


def test_a_version_is_opened_once_for_all_who_wait_for_it():
    opener = Opener()
    opener.gate.clear()
    versions = OpenVersions(opener, 100)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(versions.get, version("a")) for _ in range(8)]
        opener.gate.set()
        found = {id(one.result()) for one in waiting}
    assert len(found) == 1
    assert opener.opened == [("a", 1)]


def test_that_used_longest_ago_makes_way():
    versions = OpenVersions(Opener(), 25)
    for name in ("a", "b", "a", "c"):
        versions.get(version(name))
    assert versions.keys == (("a", 1), ("c", 1))
    assert versions.size == 20


def test_one_that_is_larger_than_the_limit_is_held_alone():
    versions = OpenVersions(Opener(), 5)
    versions.get(version("a"))
    versions.get(version("b"))
    assert versions.keys == (("b", 1),)


def test_a_newer_version_closes_its_elders_but_not_for_who_has_them():
    versions = OpenVersions(Opener(), 100)
    old = versions.get(version("a", 1))
    versions.get(version("b", 1))
    versions.get(version("a", 2))
    assert versions.keys == (("b", 1), ("a", 2))
    assert old.version.version == 1
    gone = weakref.ref(old)
    del old
    gc.collect()
    assert gone() is None


def test_who_began_with_an_old_version_is_still_given_it():
    versions = OpenVersions(Opener(), 100)
    versions.get(version("a", 2))
    assert versions.get(version("a", 1)).version.version == 1
    assert versions.get(version("a", 2)).version.version == 2


def test_a_failure_is_told_and_the_next_one_tries_again():
    opener = Opener()
    opener.broken = True
    versions = OpenVersions(opener, 100)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            versions.get(version("a"))
    opener.broken = False
    assert versions.get(version("a")).version == version("a")
    assert len(opener.opened) == 3
