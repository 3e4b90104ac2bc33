"""The glossaries of all tenants and their terms; every look-up names the tenant, so no other's can be found."""

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, update
from sqlalchemy.exc import IntegrityError

from serve.backend import GlossaryVersion
from serve.database import Database, builds, glossaries, recordings, terms
from serve.errors import ServiceError, not_found
from serve.folders import recording_path, version_folder
from serve.identifiers import is_id, new_id
from serve.schemas import Glossary, Page, TermEntry
from serve.settings import LimitSettings
from serve.terms import Term

_BATCH = 2_000


class GlossaryStore:
    """Glossaries in the database; what their builds and recordings wrote lies below `folder`."""

    def __init__(self, database: Database, folder: Path, limits: LimitSettings) -> None:
        self._database = database
        self._limits = limits
        self.folder = folder

    def create(self, tenant_id: str, name: str, description: str) -> Glossary:
        """A new glossary without terms.

        Raises:
            ServiceError: 409 the tenant has as many as it may have.
        """
        identifier, now = new_id(), time.time()
        with self._database.write() as connection:
            count = select(func.count()).select_from(glossaries).where(glossaries.c.tenant_id == tenant_id)
            if connection.execute(count).scalar_one() >= self._limits.glossaries_per_tenant:
                most = self._limits.glossaries_per_tenant
                raise ServiceError(409, "too_many_glossaries", f"There are {most:,} glossaries already: delete some.")
            row = {"id": identifier, "tenant_id": tenant_id, "name": name, "description": description}
            connection.execute(glossaries.insert().values(**row, created=now, updated=now, versions=0))
        return self.get(tenant_id, identifier)

    def get(self, tenant_id: str, identifier: str) -> Glossary:
        """One glossary.

        Raises:
            ServiceError: 404 there is none of this id, or it is another tenant's.
        """
        with self._database.read() as connection:
            return _glossary(connection, find_glossary(connection, tenant_id, identifier))

    def list(self, tenant_id: str, after: str, limit: int) -> Page[Glossary]:
        """The tenant's glossaries in the order they were made."""
        statement = select(glossaries).where(glossaries.c.tenant_id == tenant_id, glossaries.c.id > after)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(glossaries.c.id).limit(limit + 1)).mappings().all()
            return page([_glossary(connection, row) for row in rows], limit)

    def update(self, tenant_id: str, identifier: str, changes: dict[str, str]) -> Glossary:
        """Another name or description."""
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, identifier)
            statement = update(glossaries).where(glossaries.c.id == identifier)
            connection.execute(statement.values(**changes, updated=time.time()))
        return self.get(tenant_id, identifier)

    def delete(self, tenant_id: str, identifier: str) -> None:
        """The glossary, its terms, recordings and versions; a search that runs keeps what it has opened."""
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, identifier)
            connection.execute(glossaries.delete().where(glossaries.c.id == identifier))
        shutil.rmtree(self.glossary_folder(identifier), ignore_errors=True)

    def glossary_folder(self, identifier: str) -> Path:
        """Where the files of one glossary lie; `identifier` comes from the database, never from a client."""
        return self.folder / identifier

    def version(self, tenant_id: str, identifier: str) -> GlossaryVersion:
        """The version that a transcription uses.

        Raises:
            ServiceError: 404, or 409 when no build is ready yet: with Retry-After while one is in the making.
        """
        with self._database.read() as connection:
            glossary = _glossary(connection, find_glossary(connection, tenant_id, identifier))
            if glossary.version is not None:
                return GlossaryVersion(
                    identifier, glossary.version, version_folder(self.glossary_folder(identifier), glossary.version)
                )
            if glossary.status in ("pending", "building"):
                message = f"The first version of glossary {identifier!r} is being built: come back."
                raise ServiceError(409, "glossary_building", message, "glossary_id", retry_after=2)
        remedy = "its last build failed: see it" if glossary.status == "failed" else "give it terms first"
        message = f"Glossary {identifier!r} has no version to listen for; {remedy}."
        raise ServiceError(409, "glossary_not_ready", message, "glossary_id")

    def terms(self, tenant_id: str, identifier: str, after: str, limit: int, search: str) -> Page[TermEntry]:
        """Terms in the order they were added; `search` keeps those that contain it."""
        statement = _entries().where(terms.c.glossary_id == identifier, terms.c.id > after)
        if search:
            statement = statement.where(terms.c.term.icontains(search, autoescape=True))
        with self._database.read() as connection:
            find_glossary(connection, tenant_id, identifier)
            rows = connection.execute(statement.order_by(terms.c.id).limit(limit + 1)).mappings().all()
        return page([TermEntry.model_validate(dict(row)) for row in rows], limit)

    def put_term(self, tenant_id: str, identifier: str, term: Term, term_id: str | None = None) -> TermEntry:
        """Add a term, or replace the one of this id.

        Raises:
            ServiceError: 404 no such glossary or term, 409 the glossary is full or holds this term under another id.
        """
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, identifier)
            try:
                if term_id is None:
                    self._check_room(connection, identifier, 1)
                    term_id = new_id()
                    values = {**term.model_dump(), "id": term_id, "glossary_id": identifier, "form": term.form}
                    connection.execute(terms.insert().values(**values))
                else:
                    find_term(connection, identifier, term_id)
                    statement = update(terms).where(terms.c.id == term_id)
                    connection.execute(statement.values(**term.model_dump(), form=term.form))
            except IntegrityError:
                message = f"term: the glossary holds {term.term!r} already, perhaps in another spelling."
                raise ServiceError(409, "term_exists", message, "term") from None
            return find_term(connection, identifier, term_id)

    def term(self, tenant_id: str, identifier: str, term_id: str) -> TermEntry:
        """One term."""
        with self._database.read() as connection:
            find_glossary(connection, tenant_id, identifier)
            return find_term(connection, identifier, term_id)

    def delete_term(self, tenant_id: str, identifier: str, term_id: str) -> None:
        """A term with its recordings."""
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, identifier)
            find_term(connection, identifier, term_id)
            self._delete_terms(connection, identifier, terms.c.id == term_id)

    def import_terms(self, tenant_id: str, identifier: str, batch: Iterable[Term], replace: bool) -> tuple[int, int]:
        """Add terms, those that are there already in the way they are sent; returns (accepted, removed).

        In transactions of a few thousand, so that other writers wait milliseconds: when the process ends in between,
        the same import again completes it. `replace` removes, at the end, the terms that were not sent.

        Raises:
            ServiceError: 404, or 409 when the glossary is full.
        """
        mark, accepted = new_id(), 0
        for rows in _batches(batch, identifier, mark):
            with self._database.write() as connection:
                find_glossary(connection, tenant_id, identifier)
                self._database.upsert(connection, terms, rows, ("glossary_id", "form"))
                self._check_room(connection, identifier, 0)
                accepted += len(rows)
        removed = 0
        if replace:
            with self._database.write() as connection:
                find_glossary(connection, tenant_id, identifier)
                removed = self._delete_terms(connection, identifier, terms.c.batch.is_distinct_from(mark))
        return accepted, removed

    def _delete_terms(self, connection: Connection, identifier: str, condition: ColumnElement[bool]) -> int:
        chosen = (terms.c.glossary_id == identifier, condition)
        of_chosen = select(recordings.c.id).join(terms, recordings.c.term_id == terms.c.id).where(*chosen)
        orphans = connection.execute(of_chosen).scalars().all()
        removed = connection.execute(terms.delete().where(*chosen)).rowcount
        for orphan in orphans:
            recording_path(self.glossary_folder(identifier), orphan).unlink(missing_ok=True)
        return removed

    def _check_room(self, connection: Connection, identifier: str, more: int) -> None:
        count = select(func.count()).select_from(terms).where(terms.c.glossary_id == identifier)
        most = self._limits.terms_per_glossary
        if connection.execute(count).scalar_one() + more > most:
            raise ServiceError(409, "glossary_full", f"A glossary holds at most {most:,} terms.", "glossary_id")


def find_glossary(connection: Connection, tenant_id: str, identifier: str) -> RowMapping:
    """The row of a tenant's glossary, which a transaction that writes keeps others from changing until its end.

    Raises:
        ServiceError: 404 there is none of this id, or it is another tenant's.
    """
    statement = select(glossaries).where(glossaries.c.id == identifier, glossaries.c.tenant_id == tenant_id)
    if connection.get_execution_options().get("writes", False):
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().first() if is_id(identifier) else None
    if row is None:
        raise not_found("glossary", identifier)
    return row


def find_term(connection: Connection, glossary_id: str, term_id: str) -> TermEntry:
    """A term of a glossary, which the caller has made sure is the tenant's.

    Raises:
        ServiceError: 404 the glossary has no term of this id.
    """
    statement = _entries().where(terms.c.id == term_id, terms.c.glossary_id == glossary_id)
    row = connection.execute(statement).mappings().first() if is_id(term_id) else None
    if row is None:
        raise not_found("term", term_id)
    return TermEntry.model_validate(dict(row))


def page(items: list[Any], limit: int) -> Page[Any]:
    """The first `limit` of up to one more items."""
    shown = items[:limit]
    return Page(data=shown, has_more=len(items) > limit, last_id=shown[-1].id if shown else None)


def _entries() -> Any:
    count = select(func.count()).select_from(recordings).where(recordings.c.term_id == terms.c.id).scalar_subquery()
    columns = (terms.c.id, terms.c.term, terms.c.category, terms.c.spoken, terms.c.language)
    return select(*columns, count.label("recordings"))


def _glossary(connection: Connection, row: RowMapping) -> Glossary:
    identifier = row["id"]
    count = connection.execute(select(func.count()).select_from(terms).where(terms.c.glossary_id == identifier))
    of_glossary = builds.c.glossary_id == identifier
    newest = connection.execute(select(builds.c.status).where(of_glossary).order_by(builds.c.version.desc()).limit(1))
    version = connection.execute(select(func.max(builds.c.version)).where(of_glossary, builds.c.status == "ready"))
    return Glossary(
        id=identifier,
        name=row["name"],
        description=row["description"],
        created_at=int(row["created"]),
        terms=count.scalar_one(),
        version=version.scalar(),
        status=newest.scalar() or "empty",
    )


def _batches(batch: Iterable[Term], glossary_id: str, mark: str) -> Iterator[list[dict[str, Any]]]:
    rows: dict[str, dict[str, Any]] = {}
    for term in batch:
        form = term.form
        # Of a term that is sent twice the last counts, in the place of the first.
        identifier = rows[form]["id"] if form in rows else new_id()
        rows[form] = {**term.model_dump(), "id": identifier, "glossary_id": glossary_id, "form": form, "batch": mark}
        if len(rows) >= _BATCH:
            yield list(rows.values())
            rows.clear()
    if rows:
        yield list(rows.values())
