"""Bodies that are read only once it is known who sends them, and checked against a model that names every field.

FastAPI reads a body before it asks for the caller; here routes depend on `form` and `document` instead, after the
caller, and `describes` puts the same model into the OpenAPI document.
"""

import difflib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_origin

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile

from serve.errors import ServiceError, invalid
from serve.terms import explain

Model = TypeVar("Model", bound=BaseModel)

_MULTIPART = "multipart/form-data"
_LONGEST_FIELD = 65_536
_MOST_FIELDS = 1_000


class Fields(BaseModel):
    """A body whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), populate_by_name=True)


class Upload(BaseModel):
    """A form with one file, `file`, beside the fields of `values`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    content: bytes
    values: Any


def form(model: type[Model]) -> Callable[[Request], Awaitable[Upload]]:
    """A dependency that reads a multipart form: the bytes of its one `file` and its other fields as `model`.

    Raises:
        ServiceError: 415 other content, 400 broken, an unknown field (with the nearest known one), no file, or a value
            that the model refuses: the status that OpenAI's API gives.
    """

    async def read(request: Request) -> Upload:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _MULTIPART:
            raise ServiceError(415, "unsupported_media_type", f"The body is {kind or 'untyped'}, not {_MULTIPART}.")
        async with request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD) as sent:
            lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple}
            values: dict[str, Any] = {}
            upload: UploadFile | None = None
            for name, value in sent.multi_items():
                plain = name.removesuffix("[]")
                if name == "file" and isinstance(value, UploadFile):
                    upload = value
                elif name == "file" or isinstance(value, UploadFile):
                    raise invalid(name, f"{name}: send the audio, and only it, as the file named 'file'.", status=400)
                elif plain in lists:
                    values.setdefault(plain, []).append(value)
                elif name in model.model_fields and name in values:
                    raise invalid(name, f"{name}: it stands twice in the form.", status=400)
                else:
                    values[name] = value
            checked = _checked(model, values, refused=400)
            if upload is None:
                message = "file: it is missing; send the audio as multipart form data."
                raise invalid("file", message, "missing_required_parameter", 400)
            return Upload(content=await upload.read(), values=checked)

    return read


def document(model: type[Model], limit: Callable[[Request], int]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that reads a JSON object of at most `limit` bytes as `model`.

    Raises:
        ServiceError: 400 no JSON or an unknown field, 413 too large, 422 a value that the model refuses.
    """

    async def read(request: Request) -> Model:
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ServiceError(415, "unsupported_media_type", f"The body is {kind}, not application/json.")
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit(request):
                message = f"The body is larger than the {limit(request):,} bytes allowed here."
                raise ServiceError(413, "body_too_large", message)
        try:
            sent = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as failure:
            raise ServiceError(400, "invalid_json", f"The body is not valid JSON ({failure}).") from None
        if not isinstance(sent, dict):
            raise invalid(None, "The body is a JSON object.")
        return _checked(model, sent)

    return read


def describes(model: type[BaseModel], file: str | None = None) -> dict[str, Any]:
    """What `form` (with the description of its `file`) or `document` reads, for ``openapi_extra`` of a route."""
    schema = model.model_json_schema(by_alias=False)
    schema.pop("title", None)
    if file is None:
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    names = {
        name: f"{name}[]" if get_origin(field.annotation) is tuple else name
        for name, field in model.model_fields.items()
    }
    properties = {names[name]: _without_null(shape) for name, shape in schema["properties"].items()}
    schema["properties"] = {"file": {"type": "string", "format": "binary", "description": file}, **properties}
    schema["required"] = ["file", *schema.get("required", ())]
    return {"requestBody": {"required": True, "content": {_MULTIPART: {"schema": schema}}}}


def _without_null(shape: dict[str, Any]) -> dict[str, Any]:
    """A field of a form, which is left out where one of a JSON object could be null."""
    if "anyOf" not in shape:
        return shape
    kinds = [kind for kind in shape["anyOf"] if kind != {"type": "null"}]
    rest = {name: value for name, value in shape.items() if name not in ("anyOf", "default")}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _checked(model: type[Model], values: dict[str, Any], refused: int = 422) -> Model:
    for name in values:
        if name not in model.model_fields:
            near = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(model.model_fields)}."
            raise invalid(name, f"Unknown field {name!r}.{hint}", "unknown_parameter", 400)
    try:
        return model.model_validate(values)
    except ValidationError as failure:
        problem = failure.errors(include_url=False, include_input=False, include_context=False)[0]
        param = str(problem["loc"][0]) if problem["loc"] else None
        if problem["type"] == "missing":
            raise invalid(
                param, f"{param}: it is missing; it has no default.", "missing_required_parameter", 400
            ) from None
        raise invalid(param, f"{explain(failure)}.", status=refused) from None
