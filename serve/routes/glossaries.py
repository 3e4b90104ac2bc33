"""`/v1/glossaries`: the vocabularies of a tenant, their terms, imports, builds and recordings."""

import tempfile
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationInfo, field_validator

from harken.audio import SAMPLE_RATE
from serve.bodies import Fields, Upload, describes, document, form
from serve.callers import Caller, requires
from serve.errors import ServiceError, invalid
from serve.routes.documented import errors
from serve.routes.transcriptions import decode_upload
from serve.schemas import (
    Build,
    Deleted,
    Glossary,
    Import,
    Page,
    Recording,
    TermChange,
    TermDeletion,
    TermEntry,
)
from serve.service import Service, ServicePart
from serve.terms import LAYOUTS, Layout, Problem, Term, lines_of, read_terms, sanitised

router = APIRouter(prefix="/v1/glossaries", tags=["glossaries"])

_MOST_PROBLEMS = 10
_LONGEST_NAME = 256
_LONGEST_DESCRIPTION = 4096

Reader = Annotated[Caller, Depends(requires("glossaries:read"))]
Writer = Annotated[Caller, Depends(requires("glossaries:write"))]
After = Annotated[str, Query(max_length=64, pattern="^[0-9a-f-]*$", description="`last_id` of the page before")]
Limit = Annotated[int, Query(ge=1, le=1000, description="items of a page")]
WithBuild = Annotated[bool, Query(alias="build", description="bring the change into use; false: with a later one")]


class GlossaryFields(Fields):
    """A new glossary."""

    name: str = Field(min_length=1, max_length=_LONGEST_NAME)
    description: str = Field("", max_length=_LONGEST_DESCRIPTION)

    @field_validator("name", "description")
    @classmethod
    def _is_harmless(cls, text: str, field: ValidationInfo) -> str:
        return sanitised(text, _LONGEST_NAME if field.field_name == "name" else _LONGEST_DESCRIPTION)

    @field_validator("name")
    @classmethod
    def _is_seen(cls, name: str) -> str:
        if not name:
            raise ValueError("it has no visible character")
        return name


class GlossaryChanges(Fields):
    """What of a glossary is to be another."""

    name: str | None = Field(None, min_length=1, max_length=_LONGEST_NAME)
    description: str | None = Field(None, max_length=_LONGEST_DESCRIPTION)

    @field_validator("description")
    @classmethod
    def _is_harmless(cls, text: str | None) -> str | None:
        return None if text is None else GlossaryFields(name="-", description=text).description

    @field_validator("name")
    @classmethod
    def _is_seen(cls, name: str | None) -> str | None:
        return None if name is None else GlossaryFields(name=name).name


class RecordingFields(Fields):
    """A recording's form has no field beside its file."""


def _document_bytes(request: Request) -> int:
    service: Service = request.app.state.service
    return service.settings.limits.document_bytes


@router.post("", status_code=201, responses=errors(413, 415, 409), openapi_extra=describes(GlossaryFields))
def create_glossary(
    service: ServicePart,
    caller: Writer,
    fields: Annotated[GlossaryFields, Depends(document(GlossaryFields, _document_bytes))],
) -> Glossary:
    """Make a glossary; give it terms next."""
    return service.glossaries.create(caller.tenant.id, fields.name, fields.description)


@router.get("", responses=errors())
def list_glossaries(service: ServicePart, caller: Reader, after: After = "", limit: Limit = 100) -> Page[Glossary]:
    """The tenant's glossaries in the order they were made."""
    return service.glossaries.list(caller.tenant.id, after, limit)


@router.get("/{glossary_id}", responses=errors(404))
def get_glossary(service: ServicePart, caller: Reader, glossary_id: str) -> Glossary:
    """One glossary, with the version in use and the state of its newest build."""
    return service.glossaries.get(caller.tenant.id, glossary_id)


@router.patch("/{glossary_id}", responses=errors(404, 413, 415), openapi_extra=describes(GlossaryChanges))
def update_glossary(
    service: ServicePart,
    caller: Writer,
    glossary_id: str,
    changes: Annotated[GlossaryChanges, Depends(document(GlossaryChanges, _document_bytes))],
) -> Glossary:
    """Another name or description."""
    given = changes.model_dump(exclude_none=True)
    return service.glossaries.update(caller.tenant.id, glossary_id, given)


@router.delete("/{glossary_id}", responses=errors(404))
def delete_glossary(service: ServicePart, caller: Writer, glossary_id: str) -> Deleted:
    """The glossary with everything in it."""
    service.glossaries.delete(caller.tenant.id, glossary_id)
    return Deleted(id=glossary_id, object="glossary")


@router.get("/{glossary_id}/terms", responses=errors(404))
def list_terms(
    service: ServicePart,
    caller: Reader,
    glossary_id: str,
    after: After = "",
    limit: Limit = 100,
    search: Annotated[
        str, Query(max_length=256, pattern=r"^[^\x00]*$", description="only terms that contain this")
    ] = "",
) -> Page[TermEntry]:
    """The terms in the order they were added."""
    return service.glossaries.terms(caller.tenant.id, glossary_id, after, limit, search)


@router.post(
    "/{glossary_id}/terms", status_code=201, responses=errors(404, 409, 413, 415), openapi_extra=describes(Term)
)
def add_term(
    service: ServicePart,
    caller: Writer,
    glossary_id: str,
    term: Annotated[Term, Depends(document(Term, _document_bytes))],
    build: WithBuild = True,
) -> TermChange:
    """Add one term; many at once are an import."""
    entry = service.glossaries.put_term(caller.tenant.id, glossary_id, term)
    return TermChange(term=entry, build=_build(service, caller, glossary_id, build))


@router.get("/{glossary_id}/terms/{term_id}", responses=errors(404))
def get_term(service: ServicePart, caller: Reader, glossary_id: str, term_id: str) -> TermEntry:
    """One term."""
    return service.glossaries.term(caller.tenant.id, glossary_id, term_id)


@router.put("/{glossary_id}/terms/{term_id}", responses=errors(404, 409, 413, 415), openapi_extra=describes(Term))
def put_term(
    service: ServicePart,
    caller: Writer,
    glossary_id: str,
    term_id: str,
    term: Annotated[Term, Depends(document(Term, _document_bytes))],
    build: WithBuild = True,
) -> TermChange:
    """Put another term in the place of one; its recordings stay."""
    entry = service.glossaries.put_term(caller.tenant.id, glossary_id, term, term_id)
    return TermChange(term=entry, build=_build(service, caller, glossary_id, build))


@router.delete("/{glossary_id}/terms/{term_id}", responses=errors(404))
def delete_term(
    service: ServicePart, caller: Writer, glossary_id: str, term_id: str, build: WithBuild = True
) -> TermDeletion:
    """A term with its recordings."""
    service.glossaries.delete_term(caller.tenant.id, glossary_id, term_id)
    return TermDeletion(id=term_id, object="glossary.term", build=_build(service, caller, glossary_id, build))


@router.post(
    "/{glossary_id}/imports",
    status_code=202,
    responses=errors(404, 408, 409, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"type": "string"}} for kind in LAYOUTS},
        }
    },
)
async def import_terms(
    request: Request,
    service: ServicePart,
    caller: Writer,
    glossary_id: str,
    mode: Annotated[
        Literal["merge", "replace"], Query(description="replace: remove terms that are not sent")
    ] = "merge",
) -> Import:
    """Many terms as JSON Lines, TSV or CSV; all or, when a line is no term, none; then a build.

    JSON Lines hold objects with `term` and, if wanted, `category`, `spoken` and `language`; tables have those columns.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in LAYOUTS:
        message = f"The body is {kind or 'untyped'}; send one of {', '.join(LAYOUTS)}."
        raise ServiceError(415, "unsupported_media_type", message)
    await run_in_threadpool(service.glossaries.get, caller.tenant.id, glossary_id)
    with tempfile.TemporaryFile() as file:
        async for chunk in request.stream():
            file.write(chunk)
        return await run_in_threadpool(_import, service, caller, glossary_id, file, LAYOUTS[kind], mode == "replace")


@router.post("/{glossary_id}/builds", status_code=202, responses=errors(404))
def start_build(service: ServicePart, caller: Writer, glossary_id: str) -> Build:
    """Bring all changes into use that were made with build=false."""
    return service.builds.ask(caller.tenant.id, glossary_id)


@router.get("/{glossary_id}/builds", responses=errors(404))
def list_builds(
    service: ServicePart, caller: Reader, glossary_id: str, after: After = "", limit: Limit = 100
) -> Page[Build]:
    """The builds in the order they were asked for."""
    return service.builds.list(caller.tenant.id, glossary_id, after, limit)


@router.get("/{glossary_id}/builds/{build_id}", responses=errors(404))
def get_build(service: ServicePart, caller: Reader, glossary_id: str, build_id: str) -> Build:
    """How far a build is, or why it failed."""
    return service.builds.get(caller.tenant.id, glossary_id, build_id)


@router.post(
    "/{glossary_id}/terms/{term_id}/recordings",
    status_code=201,
    responses=errors(404, 408, 409, 413, 415),
    openapi_extra=describes(RecordingFields, "the term and nothing else, as it is said"),
)
async def add_recording(
    request: Request,
    service: ServicePart,
    caller: Writer,
    glossary_id: str,
    term_id: str,
    upload: Annotated[Upload, Depends(form(RecordingFields))],
    build: WithBuild = True,
) -> Recording:
    """Enrol a term by how it is really said, beside or instead of synthetic speech."""
    await run_in_threadpool(service.glossaries.term, caller.tenant.id, glossary_id, term_id)
    wave = await decode_upload(request, service, caller, upload.content)
    most = service.settings.limits.recording_seconds
    if len(wave) > most * SAMPLE_RATE:
        message = f"file: a recording of a term has at most {most:g} seconds."
        raise ServiceError(413, "audio_too_long", message, "file")
    recording = await run_in_threadpool(service.recordings.add, caller.tenant.id, glossary_id, term_id, wave)
    asked = await run_in_threadpool(_build, service, caller, glossary_id, build)
    return recording.model_copy(update={"build": asked})


@router.get("/{glossary_id}/terms/{term_id}/recordings", responses=errors(404))
def list_recordings(service: ServicePart, caller: Reader, glossary_id: str, term_id: str) -> Page[Recording]:
    """The recordings of a term."""
    return service.recordings.list(caller.tenant.id, glossary_id, term_id)


@router.delete("/{glossary_id}/terms/{term_id}/recordings/{recording_id}", responses=errors(404))
def delete_recording(
    service: ServicePart, caller: Writer, glossary_id: str, term_id: str, recording_id: str
) -> Deleted:
    """A recording; the version in use keeps what it made of it until the next build."""
    service.recordings.delete(caller.tenant.id, glossary_id, term_id, recording_id)
    return Deleted(id=recording_id, object="glossary.recording")


def _build(service: Service, caller: Caller, glossary_id: str, wanted: bool) -> Build | None:
    return service.builds.ask(caller.tenant.id, glossary_id) if wanted else None


def _import(
    service: Service, caller: Caller, glossary_id: str, file: BinaryIO, layout: Layout, replace: bool
) -> Import:
    _check_all(file, layout)
    file.seek(0)
    lines = read_terms(lines_of(file), layout)
    batch = (line[1] for line in lines if not isinstance(line, Problem))
    accepted, removed = service.glossaries.import_terms(caller.tenant.id, glossary_id, batch, replace)
    build = service.builds.ask(caller.tenant.id, glossary_id)
    return Import(accepted=accepted, removed=removed, build=build)


def _check_all(file: BinaryIO, layout: Layout) -> None:
    file.seek(0)
    problems: list[Problem] = []
    found = False
    for line in read_terms(lines_of(file), layout):
        if isinstance(line, Problem):
            problems.append(line)
            if len(problems) == _MOST_PROBLEMS:
                break
        else:
            found = True
    if problems:
        told = "; ".join(f"line {problem.line}: {problem.message}" for problem in problems)
        raise invalid(None, f"Nothing was imported. {told}.", "invalid_terms")
    if not found:
        raise invalid(None, "Nothing was imported: the body holds no term.", "invalid_terms")
