"""What the OpenAPI document says of every error."""

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """Why a request has no other answer."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """The body of every answer of 400 and above."""

    error: ErrorDetail


_CAUSES = {
    400: "The body is broken, or holds an unknown field, a form's bad value, or lacks a required one",
    401: "The key is missing or not valid",
    403: "The key lacks the scope",
    404: "There is no such thing for this tenant",
    408: "The body did not come in time",
    409: "It is being built (with Retry-After), or in conflict with what is there",
    413: "The body or its audio is too large",
    415: "The content type or the audio format is not accepted",
    422: "A value is not accepted",
    429: "The quota is used up (with Retry-After)",
    503: "Too much to do, or a part does not respond (with Retry-After)",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route with a caller, and those named, for its `responses`."""
    chosen = sorted({400, 401, 403, 422, 429, 503, *statuses})
    return {status: {"model": ErrorAnswer, "description": _CAUSES[status]} for status in chosen}
