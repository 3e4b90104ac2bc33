"""The service's metadata: tenants, keys, quotas, glossaries, their terms, recordings and builds.

SQLite in one file by default, in its write-ahead mode so that readers and the one writer do not wait for each other;
any other database by its URL. What is large (glossary versions, recordings) lies in files that rows name by their id.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from harken.errors import HarkenError, first_line

FORMAT = 1
"""Rises with every change of the tables that older code cannot read."""

# Any number will do that is the same in all processes of the service.
_TURNS = 0x4861726B656E

_ID = String(36)
METADATA = MetaData()


def _owned_by(column: str) -> ForeignKey:
    return ForeignKey(column, ondelete="CASCADE")


formats = Table("formats", METADATA, Column("format", Integer, primary_key=True))

tenants = Table(
    "tenants",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", String(256), nullable=False, unique=True),
    Column("created", Double, nullable=False),
    Column("requests_per_minute", Integer),
    Column("audio_seconds_per_minute", Integer),
)

keys = Table(
    "keys",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("tenant_id", _ID, _owned_by("tenants.id"), nullable=False),
    Column("name", String(256), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", String(256), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
)

buckets = Table(
    "buckets",
    METADATA,
    Column("tenant_id", _ID, _owned_by("tenants.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("level", Double, nullable=False),
    Column("filled", Double, nullable=False),
)

glossaries = Table(
    "glossaries",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("tenant_id", _ID, _owned_by("tenants.id"), nullable=False, index=True),
    Column("name", String(256), nullable=False),
    Column("description", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("versions", Integer, nullable=False),
)

terms = Table(
    "terms",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("glossary_id", _ID, _owned_by("glossaries.id"), nullable=False),
    Column("form", Text, nullable=False),
    Column("term", Text, nullable=False),
    Column("category", String(64), nullable=False),
    Column("spoken", Text, nullable=False),
    Column("language", String(16), nullable=False),
    Column("batch", _ID),
    UniqueConstraint("glossary_id", "form"),
    Index("terms_in_order", "glossary_id", "id"),
)

recordings = Table(
    "recordings",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("glossary_id", _ID, _owned_by("glossaries.id"), nullable=False, index=True),
    Column("term_id", _ID, _owned_by("terms.id"), nullable=False, index=True),
    Column("seconds", Double, nullable=False),
    Column("created", Double, nullable=False),
)

builds = Table(
    "builds",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("glossary_id", _ID, _owned_by("glossaries.id"), nullable=False, index=True),
    Column("version", Integer),
    Column("status", String(16), nullable=False, index=True),
    Column("progress", Double, nullable=False),
    Column("failure_reason", Text),
    Column("terms", Integer),
    Column("attempts", Integer, nullable=False),
    Column("owner", _ID),
    Column("alive", Double),
    Column("created", Double, nullable=False),
    Column("finished", Double),
    Column("discarded", Boolean, nullable=False),
)

Row = Mapping[str, Any]


class Database:
    """The tables at one URL; made where they do not exist.

    Raises:
        HarkenError: the database cannot be reached, or holds the tables of another release.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        try:
            with self.write() as connection:
                # Replicas that start together on an empty database would make the same tables.
                self.take_turns(connection)
                METADATA.create_all(connection)
                found = connection.execute(select(formats.c.format)).scalars().all()
                if not found:
                    connection.execute(formats.insert().values(format=FORMAT))
        except SQLAlchemyError as failure:
            reason = first_line(failure.__cause__ or failure)
            shown = self.engine.url.render_as_string(hide_password=True)
            raise HarkenError("database", shown, f"It cannot be used ({reason}): check the setting.") from None
        if found and list(found) != [FORMAT]:
            remedy = f"This release reads format {FORMAT}: name another database or run the release that made it."
            raise HarkenError("database format", found[0], remedy)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads see one moment; it takes no lock that writers wait for."""
        options = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back by an exception."""
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def take_turns(self, connection: Connection) -> None:
        """Wait until no other transaction that did the same is under way; in SQLite writers always do."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_TURNS)))

    def insert(self, table: Table) -> Any:
        """An insert that can tell what is done where a row stands already."""
        insert = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
        return insert(table)

    def upsert(self, connection: Connection, table: Table, rows: Sequence[Row], conflict: Sequence[str]) -> None:
        """Insert rows; where the columns `conflict` stand already, replace all other columns but the id."""
        statement = self.insert(table)
        replaced = {name: statement.excluded[name] for name in rows[0] if name not in (*conflict, "id")}
        connection.execute(statement.on_conflict_do_update(index_elements=list(conflict), set_=replaced), list(rows))

    def close(self) -> None:
        """Give up all connections."""
        self.engine.dispose()


def default_url(folder: Path) -> str:
    """The SQLite file in the service's data folder, which is made.

    Raises:
        HarkenError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise HarkenError("data folder", str(folder), f"It cannot be made ({failure.strerror}).") from None
    return f"sqlite:///{(folder / 'service.sqlite').absolute()}"


def _engine(url: str) -> Engine:
    try:
        # Failures are logged, and what statements were given are terms and hashes of keys.
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), hide_parameters=True)
    except (SQLAlchemyError, ModuleNotFoundError) as failure:
        remedy = f"It is no database that can be reached from here ({failure}): check the URL and install its driver."
        # The URL may hold a password.
        raise HarkenError("database URL", url.partition(":")[0] + ":...", remedy) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions begin late and then fail where they could wait; `_begin_sqlite` begins ours.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
