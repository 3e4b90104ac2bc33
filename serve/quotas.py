"""What a tenant may still ask for: token buckets in the database, so that all processes of the service share them, and
in each process how many of its requests are under way.

A process takes a second's worth of a bucket at a time and spends it without the database, which would otherwise stand
before every request. Nothing is given twice; what a process has taken and not spent is missing elsewhere.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Literal

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Double, bindparam, case, select

from serve.database import Database, buckets
from serve.errors import ServiceError
from serve.keys import Tenant
from serve.settings import QuotaSettings

_RETRY_AFTER = 1.0
# A bucket that lacks a billionth after an exact wait is full enough.
_NEARLY = 1e-6
# Of a full bucket, which lasts a minute: each is a second's worth.
_PORTIONS = 60

Kind = Literal["requests", "audio_seconds"]


class Quotas:
    """The buckets of all tenants; `clock` gives seconds."""

    def __init__(self, database: Database, settings: QuotaSettings, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        # Made once: it is what every request asks twice.
        self._take, self._look = _statements(database.insert(buckets))
        self._taken: defaultdict[tuple[str, Kind], float] = defaultdict(float)
        self._turns: defaultdict[tuple[str, Kind], threading.Lock] = defaultdict(threading.Lock)
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, tenant: Tenant) -> Callable[[], None]:
        """Count a request of a tenant that begins; returns what is to be called once at its end.

        Raises:
            ServiceError: 429 as many are under way as may be.
        """
        with self._lock:
            if self._under_way[tenant.id] >= self._settings.requests_at_once:
                most = self._settings.requests_at_once
                message = f"{most} requests are under way, the most at a time: wait for one to end."
                raise ServiceError(429, "too_many_at_once", message, retry_after=_RETRY_AFTER)
            self._under_way[tenant.id] += 1

        def leave() -> None:
            with self._lock:
                self._under_way[tenant.id] -= 1
                if not self._under_way[tenant.id]:
                    del self._under_way[tenant.id]

        return leave

    async def charge(self, tenant: Tenant, kind: Kind, cost: float) -> None:
        """Take from a tenant's bucket. What costs more than a full one is let through a full one, into debt.

        Raises:
            ServiceError: 429 with the seconds until the bucket holds enough.
        """
        if not self._spend(tenant, kind, cost):
            await run_in_threadpool(self._charge, tenant, kind, cost)

    def _spend(self, tenant: Tenant, kind: Kind, cost: float) -> bool:
        """Pay with what this process has taken, if that is enough."""
        with self._lock:
            if self._taken[tenant.id, kind] < cost:
                return False
            self._taken[tenant.id, kind] -= cost
            return True

    def _charge(self, tenant: Tenant, kind: Kind, cost: float) -> None:
        with self._lock:
            turn = self._turns[tenant.id, kind]
        # Of requests that come together one takes a portion, which the others then share.
        with turn:
            if not self._spend(tenant, kind, cost):
                self._take_portion(tenant, kind, cost)

    def _take_portion(self, tenant: Tenant, kind: Kind, cost: float) -> None:
        capacity = float(self._capacity(tenant, kind))
        portion = capacity / _PORTIONS
        if cost < portion and self._missing(tenant, kind, portion, capacity) is None:
            with self._lock:
                self._taken[tenant.id, kind] += portion - cost
            return
        missing = self._missing(tenant, kind, cost, capacity)
        if missing is None:
            return
        unit = kind.replace("_", " ")
        raise ServiceError(
            429,
            "rate_limit_exceeded",
            f"The quota of {capacity:g} {unit} a minute is used up: slow down.",
            retry_after=missing * 60 / capacity,
        )

    def _missing(self, tenant: Tenant, kind: Kind, cost: float, capacity: float) -> float | None:
        """Take from the bucket in the database; returns what it lacks for that, None: it was there and is taken."""
        now = self._clock()
        enough = min(cost, capacity)
        bucket = {"tenant_id": tenant.id, "kind": kind}
        with self._database.write() as connection:
            taken = {"capacity": capacity, "cost": cost, "enough": enough - _NEARLY, "now": now}
            if connection.execute(self._take, bucket | taken).first() is not None:
                return None
            level: float = connection.execute(self._look, bucket | {"capacity": capacity, "now": now}).scalar_one()
        return enough - level

    def _capacity(self, tenant: Tenant, kind: Kind) -> int:
        if kind == "requests":
            return tenant.requests_per_minute or self._settings.requests_per_minute
        return tenant.audio_seconds_per_minute or self._settings.audio_seconds_per_minute


def _statements(insert: Any) -> tuple[Any, Any]:
    """Take from a bucket what it has, which gives a row, or none where it has not enough; and tell what it has."""
    capacity, cost, enough, now = (bindparam(name, type_=Double) for name in ("capacity", "cost", "enough", "now"))
    filled = buckets.c.level + (now - buckets.c.filled) * capacity / 60
    level = case((filled < capacity, filled), else_=capacity)
    first = insert.values(tenant_id=bindparam("tenant_id"), kind=bindparam("kind"), level=capacity - cost, filled=now)
    take = first.on_conflict_do_update(
        index_elements=[buckets.c.tenant_id, buckets.c.kind],
        set_={"level": level - cost, "filled": now},
        where=level >= enough,
    ).returning(buckets.c.level)
    own = buckets.c.tenant_id == bindparam("tenant_id"), buckets.c.kind == bindparam("kind")
    return take, select(level).where(*own)
