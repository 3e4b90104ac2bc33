"""Who sends a request and whether they may: a key's tenant, or nobody in particular where that is allowed."""

import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from harken.errors import HarkenError
from serve.errors import ServiceError
from serve.keys import PREFIX, SCOPES, KeyStore, Tenant
from serve.quotas import Quotas
from serve.settings import ServiceSettings

ANONYMOUS = Tenant("00000000-0000-0000-0000-000000000000", "anonymous")
"""Whose the glossaries are that are made without a key."""

BEARER = HTTPBearer(
    auto_error=False, description="A key of `python -m serve.keys create`; none is needed on a loopback address."
)


@dataclass(frozen=True)
class Caller:
    """The tenant of a request and what its key allows."""

    tenant: Tenant
    scopes: frozenset[str]


class Gate:
    """Decides who a request is from, and charges it to them."""

    def __init__(self, keys: KeyStore, quotas: Quotas, settings: ServiceSettings) -> None:
        self._keys = keys
        self._quotas = quotas
        self._host = settings.listen.host
        self._local_only = settings.access.anonymous == "local"
        self._anonymous = settings.access.anonymous == "always" or (self._local_only and is_loopback(self._host))

    async def admit(self, request: Request, token: str | None, scope: str) -> Caller:
        """The caller of a request, once its quota is charged.

        Raises:
            ServiceError: 401 no valid key, 403 one without the scope, 429 over the quota.
        """
        # Clients that insist on a key are given any by their users; one of ours is meant to be checked.
        if self._anonymous and not (token or "").startswith(PREFIX):
            self._check_origin(request)
            caller = Caller(ANONYMOUS, frozenset(SCOPES))
        else:
            found = await run_in_threadpool(self._keys.find, token) if token else None
            if found is None:
                cause = "is not valid" if token else "is missing"
                message = f"The API key {cause}: send it as 'Authorization: Bearer {PREFIX}...'."
                raise ServiceError(401, "invalid_api_key", message)
            caller = Caller(found[0], frozenset(found[1]))
        request.state.tenant = caller.tenant.id
        if not caller.scopes & {scope, "admin"}:
            raise ServiceError(403, "missing_scope", f"This key lacks the scope {scope!r}.")
        # The gateway calls it when the answer is complete.
        request.scope["state"]["leave"] = self._quotas.enter(caller.tenant)
        await self._quotas.charge(caller.tenant, "requests", 1)
        return caller

    def _check_origin(self, request: Request) -> None:
        """Web pages of others must not use, through its user's browser, a service that asks nobody for a key."""
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        try:
            named = urlsplit(f"//{host}").hostname or ""
            foreign_origin = origin is not None and urlsplit(origin).netloc != host
        except ValueError:
            # No address at all.
            named, foreign_origin = "", True
        foreign_host = self._local_only and named != self._host and not is_loopback(named)
        if foreign_host or foreign_origin:
            raise ServiceError(403, "foreign_origin", "Without a key, this service is for pages of its own only.")


def is_loopback(host: str) -> bool:
    """Whether only programs on the same machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: ServiceSettings, keys: KeyStore) -> None:
    """Refuse to be open to everybody without having been told so.

    Raises:
        HarkenError: a public address, no active key, and `access.anonymous` is not 'always'.
    """
    host = settings.listen.host
    if is_loopback(host) or settings.access.anonymous == "always":
        return
    if not any(entry.is_active(time.time()) for entry in keys.entries()):
        remedy = (
            "Others can reach this address and there is no key to ask them for: make one with "
            "`python -m serve.keys create`, listen on 127.0.0.1, or set access.anonymous to 'always'."
        )
        raise HarkenError("listen.host", host, remedy)


def requires(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency that is the caller of a route and refuses those whose key lacks the scope."""

    async def caller(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Caller:
        gate: Gate = request.app.state.service.gate
        return await gate.admit(request, credentials.credentials if credentials else None, scope)

    return caller
