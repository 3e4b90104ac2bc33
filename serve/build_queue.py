"""Builds of glossary versions as rows: asked for by changes, taken by one process, with a sign of life.

A change asks for a build; while one waits, further changes go into it. A build that has begun takes the terms it finds,
and the next change asks for another. When the signs of life stop (the service was killed), the build is taken up again
by whoever sees it, and has failed when that happened too often.
"""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Update, and_, func, select, update

from serve.builder import BuildOrder, BuildTerm
from serve.database import Database, builds, glossaries, recordings, terms
from serve.errors import not_found
from serve.folders import recording_path, version_folder
from serve.glossaries import GlossaryStore, find_glossary, page
from serve.identifiers import is_id, new_id
from serve.schemas import Build, Page
from serve.settings import BuildSettings

_PAGE = 1_000


class BuildQueue:
    """The builds of all glossaries, as rows."""

    def __init__(self, database: Database, store: GlossaryStore, settings: BuildSettings) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self.asked = threading.Event()

    def ask(self, tenant_id: str, glossary_id: str) -> Build:
        """The build that will hold all changes made until now.

        Raises:
            ServiceError: 404.
        """
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            waiting = select(builds.c.id).where(builds.c.glossary_id == glossary_id, builds.c.status == "pending")
            identifier = connection.execute(waiting).scalar()
            if identifier is None:
                identifier = new_id()
                raised = update(glossaries).where(glossaries.c.id == glossary_id)
                connection.execute(raised.values(versions=glossaries.c.versions + 1, updated=time.time()))
                version = select(glossaries.c.versions).where(glossaries.c.id == glossary_id)
                connection.execute(
                    builds.insert().values(
                        id=identifier,
                        glossary_id=glossary_id,
                        version=connection.execute(version).scalar_one(),
                        status="pending",
                        progress=0.0,
                        attempts=0,
                        created=time.time(),
                        discarded=False,
                    )
                )
        self.asked.set()
        return self.get(tenant_id, glossary_id, str(identifier))

    def get(self, tenant_id: str, glossary_id: str, build_id: str) -> Build:
        """One build.

        Raises:
            ServiceError: 404.
        """
        with self._database.read() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            statement = select(builds).where(builds.c.id == build_id, builds.c.glossary_id == glossary_id)
            row = connection.execute(statement).mappings().first() if is_id(build_id) else None
        if row is None:
            raise not_found("build", build_id)
        return _build(row)

    def list(self, tenant_id: str, glossary_id: str, after: str, limit: int) -> Page[Build]:
        """The builds of a glossary in the order they were asked for."""
        statement = select(builds).where(builds.c.glossary_id == glossary_id, builds.c.id > after)
        with self._database.read() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            rows = connection.execute(statement.order_by(builds.c.id).limit(limit + 1)).mappings().all()
        return page([_build(row) for row in rows], limit)

    def claim(self, owner: str) -> Build | None:
        """Take the oldest build that waits; None when there is none. A glossary has one build at a time."""
        now = time.time()
        busy = builds.alias()
        others = select(busy.c.id).where(busy.c.glossary_id == builds.c.glossary_id, busy.c.status == "building")
        waiting = select(builds).where(builds.c.status == "pending", ~others.exists()).order_by(builds.c.created)
        with self._database.write() as connection:
            # Two that look at the same time would both find the glossary free.
            self._database.take_turns(connection)
            self._take_back(connection, now)
            row = connection.execute(waiting.limit(1)).mappings().first()
            if row is None:
                return None
            taken = {"status": "building", "owner": owner, "alive": now, "attempts": row["attempts"] + 1}
            connection.execute(update(builds).where(builds.c.id == row["id"]).values(**taken, progress=0.0))
            return _build({**row, **taken})

    def order(self, build: Build) -> BuildOrder:
        """What a claimed build is made of."""
        folder = self._store.glossary_folder(build.glossary_id)
        ready = (builds.c.glossary_id == build.glossary_id, builds.c.status == "ready")
        with self._database.write() as connection:
            count = connection.execute(
                select(func.count()).select_from(terms).where(terms.c.glossary_id == build.glossary_id)
            ).scalar_one()
            connection.execute(update(builds).where(builds.c.id == build.id).values(terms=count))
            previous = connection.execute(select(func.max(builds.c.version)).where(*ready)).scalar()
        return BuildOrder(
            glossary_id=build.glossary_id,
            version=build.version,
            folder=version_folder(folder, build.version),
            previous=None if previous is None else version_folder(folder, previous),
            count=count,
            terms=self._terms(build.glossary_id, folder),
        )

    def tell(self, build: Build, owner: str, progress: float | None = None) -> bool:
        """A sign of life, perhaps with the progress; False when the build is no longer this owner's."""
        values = {"alive": time.time()} if progress is None else {"alive": time.time(), "progress": progress}
        with self._database.write() as connection:
            return connection.execute(_of(build, owner).values(**values)).rowcount == 1

    def finish(self, build: Build, owner: str, failure: str | None = None) -> bool:
        """The build is ready, or has failed for a reason; False when it is no longer this owner's."""
        values = {"finished": time.time(), "owner": None, "failure_reason": failure}
        values |= {"status": "failed"} if failure is not None else {"status": "ready", "progress": 1.0}
        with self._database.write() as connection:
            return connection.execute(_of(build, owner).values(**values)).rowcount == 1

    def give_back(self, build: Build, owner: str) -> None:
        """Another process, or this one after a restart, does it; this try does not count."""
        values = {"status": "pending", "owner": None, "attempts": builds.c.attempts - 1}
        with self._database.write() as connection:
            connection.execute(_of(build, owner).values(**values))

    def discard_old(self, glossary_id: str) -> None:
        """Delete the files of the versions that nobody is to be given any more."""
        ready = and_(builds.c.glossary_id == glossary_id, builds.c.status == "ready", builds.c.discarded.is_(False))
        with self._database.write() as connection:
            rows = connection.execute(select(builds).where(ready).order_by(builds.c.version.desc())).mappings().all()
            old = rows[self._settings.versions_kept :]
            for row in old:
                connection.execute(update(builds).where(builds.c.id == row["id"]).values(discarded=True))
        for row in old:
            folder = version_folder(self._store.glossary_folder(glossary_id), row["version"])
            shutil.rmtree(folder, ignore_errors=True)

    def _take_back(self, connection: Connection, now: float) -> None:
        """Builds whose process is gone wait again, or have failed."""
        gone = and_(builds.c.status == "building", builds.c.alive < now - self._settings.lease_seconds)
        most = self._settings.attempts
        reason = f"It was interrupted {most} times: its process ended before it did."
        failed = update(builds).where(gone, builds.c.attempts >= most)
        connection.execute(failed.values(status="failed", failure_reason=reason, owner=None, finished=now))
        connection.execute(update(builds).where(gone).values(status="pending", owner=None))

    def _terms(self, glossary_id: str, folder: Path) -> Iterator[BuildTerm]:
        after = ""
        while True:
            with self._database.read() as connection:
                statement = select(terms).where(terms.c.glossary_id == glossary_id, terms.c.id > after)
                rows = connection.execute(statement.order_by(terms.c.id).limit(_PAGE)).all()
                spoken: dict[str, list[Path]] = {}
                if rows:
                    between = recordings.c.term_id.between(rows[0].id, rows[-1].id)
                    found = select(recordings.c.term_id, recordings.c.id).where(
                        recordings.c.glossary_id == glossary_id, between
                    )
                    for term_id, recording_id in connection.execute(found.order_by(recordings.c.id)):
                        spoken.setdefault(term_id, []).append(recording_path(folder, recording_id))
            for row in rows:
                paths = tuple(spoken.get(row.id, ()))
                yield BuildTerm(row.id, row.term, row.category, row.spoken, row.language, paths)
            if len(rows) < _PAGE:
                return
            after = rows[-1].id


def _of(build: Build, owner: str) -> Update:
    return update(builds).where(builds.c.id == build.id, builds.c.status == "building", builds.c.owner == owner)


def _build(row: Mapping[Any, Any]) -> Build:
    return Build(
        id=row["id"],
        glossary_id=row["glossary_id"],
        version=row["version"],
        status=row["status"],
        progress=row["progress"],
        failure_reason=row["failure_reason"],
        terms=row["terms"],
        created_at=int(row["created"]),
        finished_at=None if row["finished"] is None else int(row["finished"]),
    )
