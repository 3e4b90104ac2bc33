"""API keys: made, listed, replaced and revoked by an operator, checked at every request.

    python -m serve.keys create --tenant acme --name ci --scopes transcribe,glossaries:read
    python -m serve.keys list | rotate KEY_ID --grace-hours 24 | revoke KEY_ID

A key is ``hk_``, a public id and 256 random bits. Only the SHA-256 of those bits is stored: of a secret that cannot be
guessed, a fast digest gives nothing away.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select, update

from harken.config import apply_override, check, load_config
from harken.errors import HarkenError
from serve.database import Database, default_url, keys, tenants
from serve.identifiers import new_id
from serve.settings import ServiceSettings

SCOPES = ("transcribe", "glossaries:read", "glossaries:write", "admin")
"""What a key can allow; admin allows everything."""

PREFIX = "hk_"
_LONGEST_NAME = 256
_KEY = re.compile(r"hk_([0-9a-f]{16})_([0-9a-f]{64})")
# What an unknown id is compared with, so that it takes as long to refuse as a wrong secret.
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Tenant:
    """Whose glossaries, quotas and requests these are; a quota that is None is the service's own."""

    id: str
    name: str
    requests_per_minute: int | None = None
    audio_seconds_per_minute: int | None = None


@dataclass(frozen=True)
class KeyEntry:
    """What is known of a key, which never is the key itself; times are seconds since 1970."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created: float
    expires: float | None

    def is_active(self, now: float) -> bool:
        """Whether it still opens anything."""
        return self.expires is None or self.expires > now


class KeyStore:
    """The tenants and their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, presented: str) -> tuple[Tenant, tuple[str, ...]] | None:
        """The tenant and the scopes of a key that is presented; None when it is no key or no longer one."""
        parts = _KEY.fullmatch(presented)
        identifier, secret = parts.groups() if parts else ("", "")
        with self._database.read() as connection:
            statement = select(
                keys.c.digest,
                keys.c.scopes,
                keys.c.expires,
                tenants.c.id,
                tenants.c.name,
                tenants.c.requests_per_minute,
                tenants.c.audio_seconds_per_minute,
            ).join(tenants, keys.c.tenant_id == tenants.c.id)
            row = connection.execute(statement.where(keys.c.id == identifier)).first()
        matches = hmac.compare_digest(_digest(secret), row.digest if row else _NOBODY)
        if row is None or not matches or (row.expires is not None and row.expires <= time.time()):
            return None
        tenant = Tenant(row.id, row.name, row.requests_per_minute, row.audio_seconds_per_minute)
        return tenant, tuple(row.scopes.split(","))

    def create(self, tenant: str, name: str, scopes: Collection[str], expires: float | None = None) -> str:
        """A new key of the tenant of that name, which is made when there is none; shown only now.

        Raises:
            HarkenError: no name or one that is too long, no scope or an unknown one.
        """
        for what, value in (("tenant", tenant), ("key name", name)):
            if not value.strip() or len(value) > _LONGEST_NAME:
                remedy = f"Give it a name that you will know it by, of at most {_LONGEST_NAME} characters."
                raise HarkenError(what, value, remedy)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise HarkenError("scope", unknown[0] if unknown else "", f"Use some of {', '.join(SCOPES)}.")
        with self._database.write() as connection:
            return self._insert(connection, self.ensure_tenant(connection, tenant), name, ",".join(scopes), expires)

    def rotate(self, identifier: str, grace_seconds: float) -> str:
        """A new key with the name, tenant and scopes of another, which ends after the grace period.

        Raises:
            HarkenError: no active key has this id.
        """
        now = time.time()
        with self._database.write() as connection:
            row = connection.execute(select(keys).where(keys.c.id == identifier)).mappings().first()
            if row is None or (row["expires"] is not None and row["expires"] <= now):
                raise HarkenError("key", identifier, "No active key has this id: see `list`.")
            _end(connection, identifier, now + grace_seconds)
            return self._insert(connection, row["tenant_id"], row["name"], row["scopes"], None)

    def revoke(self, identifier: str) -> None:
        """End a key now.

        Raises:
            HarkenError: no key has this id.
        """
        with self._database.write() as connection:
            if connection.execute(select(keys.c.id).where(keys.c.id == identifier)).first() is None:
                raise HarkenError("key", identifier, "No key has this id: see `list`.")
            _end(connection, identifier, time.time())

    def entries(self) -> list[KeyEntry]:
        """All keys, oldest first."""
        columns = (keys.c.id, tenants.c.name, keys.c.name, keys.c.scopes, keys.c.created, keys.c.expires)
        statement = select(*columns).join(tenants, keys.c.tenant_id == tenants.c.id).order_by(keys.c.created)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [KeyEntry(row[0], row[1], row[2], tuple(row[3].split(",")), row[4], row[5]) for row in rows]

    def ensure_tenant(self, connection: Connection, name: str, identifier: str | None = None) -> str:
        """The id of the tenant of that name; made, with `identifier` when one is given, where there is none."""
        self._database.take_turns(connection)
        found = connection.execute(select(tenants.c.id).where(tenants.c.name == name)).scalar()
        if found is not None:
            return str(found)
        made = identifier or new_id()
        connection.execute(tenants.insert().values(id=made, name=name, created=time.time()))
        return made

    def _insert(self, connection: Connection, tenant_id: str, name: str, scopes: str, expires: float | None) -> str:
        identifier, secret = secrets.token_hex(8), secrets.token_hex(32)
        row = {"id": identifier, "tenant_id": tenant_id, "name": name, "scopes": scopes, "digest": _digest(secret)}
        connection.execute(keys.insert().values(**row, created=time.time(), expires=expires))
        return f"{PREFIX}{identifier}_{secret}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _end(connection: Connection, identifier: str, moment: float) -> None:
    later = or_(keys.c.expires.is_(None), keys.c.expires > moment)
    connection.execute(update(keys).where(keys.c.id == identifier, later).values(expires=moment))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve.keys", description="The keys of the service.")
    parser.add_argument("--config", help="YAML file of the service's settings; without one, the defaults")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    create.add_argument("--tenant", required=True, help="whose it is; made when new")
    create.add_argument("--name", required=True, help="what you will know the key by")
    create.add_argument("--scopes", default="transcribe,glossaries:read", help=f"some of {','.join(SCOPES)}")
    create.add_argument("--days", type=float, help="until it expires; without, it does not")
    commands.add_parser("list", help="all keys, without their secrets")
    revoke = commands.add_parser("revoke", help="end a key now")
    rotate = commands.add_parser("rotate", help="print a new key in the place of one that ends after a while")
    for command in (revoke, rotate):
        command.add_argument("key", help="its id, as `list` shows it")
    rotate.add_argument("--grace-hours", type=float, default=24.0, help="how long the old one still works")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except HarkenError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    settings = load_settings(options.config, options.overrides)
    store = KeyStore(Database(settings.database or default_url(settings.data)))
    now = time.time()
    if options.command == "create":
        expires = None if options.days is None else now + options.days * 86_400
        print(store.create(options.tenant, options.name, options.scopes.split(","), expires))
    elif options.command == "rotate":
        print(store.rotate(options.key, options.grace_hours * 3600))
    elif options.command == "revoke":
        store.revoke(options.key)
    else:
        for entry in store.entries():
            state = "active" if entry.is_active(now) else "ended"
            print(entry.id, state, entry.tenant, entry.name, ",".join(entry.scopes), sep="\t")


def load_settings(path: str | None, overrides: Sequence[str]) -> ServiceSettings:
    """The service's settings from a file, or the defaults with these overrides.

    Raises:
        HarkenError: as `harken.config.load_config`.
    """
    if path is not None:
        return load_config(path, overrides, ServiceSettings)
    tree: dict[str, Any] = {}
    for override in overrides:
        apply_override(tree, override)
    return check(tree, ServiceSettings, source="the defaults")


if __name__ == "__main__":
    sys.exit(main())
