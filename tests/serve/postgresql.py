"""A PostgreSQL cluster of its own in a temporary folder, reached by a socket in that folder and by nothing else."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_USER = "harken"
_DEBIAN = Path("/usr/lib/postgresql")


class Cluster:
    """A cluster that has been started; `stop` and `start` are a database that goes away and comes back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = _account()
        if self._account is not None:
            os.chown(folder, *self._account)
        self._databases: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "log").touch()
        command = [_program("initdb"), "-D", folder / "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*command, "--locale=C"], check=True, capture_output=True, **self._as())
        self.start()

    def start(self) -> None:
        """Return once it answers."""
        command = [_program("postgres"), "-D", self._folder / "data", "-k", self._folder, "-c", "listen_addresses="]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "-c", "fsync=off"], stdout=log, stderr=log, **self._as())
        while True:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                psycopg.connect(self._address("postgres")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)

    def stop(self) -> None:
        """End it with all its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def url(self, name: str) -> str:
        """As the service's settings take it; the database is made on first use."""
        if name not in self._databases:
            with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
            self._databases.add(name)
        return f"postgresql+psycopg://{_USER}:swordfish@/{name}?host={self._folder}"

    def _address(self, name: str) -> str:
        return f"host={self._folder} user={_USER} dbname={name}"

    def _as(self) -> dict[str, object]:
        # The server refuses to run as root.
        if self._account is None:
            return {"cwd": self._folder}
        user, group = self._account
        return {"cwd": self._folder, "user": user, "group": group, "extra_groups": []}


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster until the end of the block; skips the test where PostgreSQL is not installed."""
    for name in ("initdb", "postgres"):
        if _program(name) is None:
            pytest.skip(f"PostgreSQL is not installed: no program {name!r} (Debian: apt install postgresql)")
    # Not in pytest's folder, which other accounts may not enter; and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        try:
            yield made
        finally:
            made.stop()


def _program(name: str) -> str | None:
    newest_first = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: -float(path.parts[-3]))
    return str(newest_first[0]) if newest_first else shutil.which(name)


def _account() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: (entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
