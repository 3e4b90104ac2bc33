"""What a tenant may still ask for: token buckets in the database, so that all processes of the service share them, and
in each process how many of its requests are under way."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from sqlalchemy import select

from serve.database import Database, buckets
from serve.errors import ServiceError
from serve.keys import Tenant
from serve.settings import QuotaSettings

_RETRY_AFTER = 1.0

Kind = Literal["requests", "audio_seconds"]


class Quotas:
    """The buckets of all tenants; `clock` gives seconds."""

    def __init__(self, database: Database, settings: QuotaSettings, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
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

    def charge(self, tenant: Tenant, kind: Kind, cost: float) -> None:
        """Take from a tenant's bucket. What costs more than a full one is let through a full one, into debt.

        Raises:
            ServiceError: 429 with the seconds until the bucket holds enough.
        """
        capacity = float(self._capacity(tenant, kind))
        now = self._clock()
        with self._database.write() as connection:
            row = connection.execute(
                select(buckets.c.level, buckets.c.filled)
                .where(buckets.c.tenant_id == tenant.id, buckets.c.kind == kind)
                .with_for_update()
            ).first()
            level = capacity if row is None else min(capacity, row.level + (now - row.filled) * capacity / 60)
            missing = min(cost, capacity) - level
            # A bucket that lacks a billionth after an exact wait is full enough.
            if missing <= 1e-6:
                filled = {"tenant_id": tenant.id, "kind": kind, "level": level - cost, "filled": now}
                self._database.upsert(connection, buckets, [filled], ("tenant_id", "kind"))
                return
        unit = kind.replace("_", " ")
        raise ServiceError(
            429,
            "rate_limit_exceeded",
            f"The quota of {capacity:g} {unit} a minute is used up: slow down.",
            retry_after=missing * 60 / capacity,
        )

    def _capacity(self, tenant: Tenant, kind: Kind) -> int:
        if kind == "requests":
            return tenant.requests_per_minute or self._settings.requests_per_minute
        return tenant.audio_seconds_per_minute or self._settings.audio_seconds_per_minute
