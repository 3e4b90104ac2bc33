"""Errors as OpenAI's API shapes them: ``{"error": {"message", "type", "param", "code"}}`` with the right status."""

import logging
import math
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

_LOG = logging.getLogger("harken.service")

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_CODES = {404: "unknown_url", 405: "method_not_allowed", 415: "unsupported_media_type"}


class ServiceError(Exception):
    """An answer other than success, which the client is told in full; so it names nothing of the server's own.

    Args:
        status: the HTTP status, 400 to 599.
        code: a word that programs can tell the cause by.
        message: what is wrong and what to do.
        param: the field or path parameter at fault.
        retry_after: seconds after which the same request may succeed.
    """

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # Replicas of the graph raise it where others catch it; exceptions are rebuilt from their message alone.
        return type(self), (self.status, self.code, self.message, self.param, self.retry_after)

    def document(self) -> dict[str, dict[str, str | None]]:
        """The body of the answer."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Retry-After where it helps to come back, and how to authenticate where that is missing."""
        headers = {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def invalid(param: str | None, message: str, code: str = "invalid_value", status: int = 422) -> ServiceError:
    """A value that cannot be accepted, with the field it stands in."""
    return ServiceError(status, code, message, param)


def not_found(kind: str, identifier: str) -> ServiceError:
    """No such thing, or another tenant's: the two are told in the same words."""
    return ServiceError(
        404, f"{kind}_not_found", f"There is no {kind} {identifier!r}: list those there are.", f"{kind}_id"
    )


def overloaded(message: str, retry_after: float) -> ServiceError:
    """The service has as much to do as it can take."""
    return ServiceError(503, "overloaded", message, retry_after=retry_after)


def unavailable(message: str, retry_after: float = 5.0) -> ServiceError:
    """A part that the answer needs does not respond."""
    return ServiceError(503, "unavailable", message, retry_after=retry_after)


def answer(error: ServiceError) -> JSONResponse:
    """The error as a response."""
    return JSONResponse(error.document(), error.status, error.headers())


def add_handlers(app: FastAPI) -> None:
    """Give every error of the app OpenAI's shape, those of the framework included; `serve.gateway` answers the rest."""
    app.add_exception_handler(ServiceError, _service_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid_request)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_exception)  # type: ignore[arg-type]
    for away in (OperationalError, InterfaceError, TimeoutError):
        app.add_exception_handler(away, _database_away)


async def _service_error(request: Request, error: ServiceError) -> JSONResponse:
    return answer(error)


async def _invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    problem = error.errors()[0]
    param = ".".join(str(part) for part in problem["loc"][1:])
    return answer(invalid(param or None, f"{param or problem['loc'][0]}: {problem['msg']}."))


async def _database_away(request: Request, failure: Exception) -> JSONResponse:
    # Its message may hold the statement and the address.
    _LOG.error("the database does not respond", exc_info=failure)
    return answer(unavailable("The database does not respond."))


async def _http_exception(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODES.get(error.status_code, "bad_request")
    message = f"{error.detail}: {request.method} {request.url.path}" if error.status_code in _CODES else error.detail
    response = answer(ServiceError(error.status_code, code, message))
    response.headers.update(error.headers if isinstance(error.headers, Mapping) else {})
    if error.status_code == 405 and (methods := _methods(request)):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _methods(request: Request) -> set[str]:
    """What can be done at a request's path; the framework itself names the methods of one of its routes alone."""
    documented = request.app.openapi()["paths"].items()
    return {
        method.upper()
        for path, operations in documented
        if compile_path(path)[0].fullmatch(request.scope["path"])
        for method in operations
    }


def unforeseen(request_id: str, failure: BaseException) -> ServiceError:
    """What a client is told of a failure that only the server's log may describe, where this puts it."""
    _LOG.error("request %s failed", request_id, exc_info=failure)
    message = f"The server failed on this request; its log has the cause under request id {request_id}."
    return ServiceError(500, "internal_error", message)
