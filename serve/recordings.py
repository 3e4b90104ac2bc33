"""Recordings of terms that tenants upload: FLAC files of the server's own making, named by their ids."""

import time

import numpy as np
from sqlalchemy import func, select

from harken.audio import SAMPLE_RATE, encode_flac
from serve.database import Database, recordings
from serve.errors import ServiceError, not_found
from serve.folders import recording_path
from serve.glossaries import GlossaryStore, find_glossary, find_term, page
from serve.identifiers import is_id, new_id
from serve.schemas import Page, Recording


class RecordingStore:
    """The recordings of all glossaries, in files beside their versions."""

    def __init__(self, database: Database, store: GlossaryStore, most: int) -> None:
        self._database = database
        self._store = store
        self._most = most

    def add(self, tenant_id: str, glossary_id: str, term_id: str, wave: np.ndarray) -> Recording:
        """Keep a recording (16 kHz mono) of a term.

        Raises:
            ServiceError: 404, or 409 when the term has as many as it may have.
        """
        identifier, seconds, now = new_id(), len(wave) / SAMPLE_RATE, time.time()
        path = recording_path(self._store.glossary_folder(glossary_id), identifier)
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            if find_term(connection, glossary_id, term_id).recordings >= self._most:
                message = f"A term has at most {self._most} recordings: delete one."
                raise ServiceError(409, "too_many_recordings", message, "term_id")
            # Before its row is committed, so that no row is without its file.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_flac(wave, SAMPLE_RATE))
            row = {"id": identifier, "glossary_id": glossary_id, "term_id": term_id}
            connection.execute(recordings.insert().values(**row, seconds=seconds, created=now))
        return Recording(id=identifier, term_id=term_id, seconds=round(seconds, 3), created_at=int(now))

    def list(self, tenant_id: str, glossary_id: str, term_id: str) -> Page[Recording]:
        """The recordings of a term, all on one page."""
        statement = select(recordings).where(recordings.c.term_id == term_id).order_by(recordings.c.id)
        with self._database.read() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            find_term(connection, glossary_id, term_id)
            rows = connection.execute(statement).all()
        found = [
            Recording(id=row.id, term_id=row.term_id, seconds=round(row.seconds, 3), created_at=int(row.created))
            for row in rows
        ]
        return page(found, max(len(found), 1))

    def delete(self, tenant_id: str, glossary_id: str, term_id: str, identifier: str) -> None:
        """A recording and its file.

        Raises:
            ServiceError: 404.
        """
        of_term = (recordings.c.id == identifier, recordings.c.term_id == term_id)
        with self._database.write() as connection:
            find_glossary(connection, tenant_id, glossary_id)
            find_term(connection, glossary_id, term_id)
            count = select(func.count()).select_from(recordings).where(*of_term)
            if not is_id(identifier) or not connection.execute(count).scalar_one():
                raise not_found("recording", identifier)
            connection.execute(recordings.delete().where(*of_term))
        recording_path(self._store.glossary_folder(glossary_id), identifier).unlink(missing_ok=True)
