"""What the service answers with, resource by resource; requests are described beside the routes that take them."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from serve.terms import Term

Item = TypeVar("Item")
BuildStatus = Literal["pending", "building", "ready", "failed"]


class Answer(BaseModel):
    """The ground of all answers."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Page(Answer, Generic[Item]):
    """One page of a list; the next one begins after `last_id` while `has_more`."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    last_id: str | None


class TermEntry(Term):
    """A term as it is kept."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    object: Literal["glossary.term"] = "glossary.term"
    recordings: int = Field(0, description="recordings of it that were uploaded")


class Build(Answer):
    """One version of a glossary in the making, or made; its terms never change afterwards."""

    id: str
    object: Literal["glossary.build"] = "glossary.build"
    glossary_id: str
    version: int
    status: BuildStatus
    progress: float = Field(description="0 to 1")
    failure_reason: str | None
    terms: int | None = Field(description="terms in it, once it has begun")
    created_at: int
    finished_at: int | None


class Glossary(Answer):
    """A vocabulary of one tenant."""

    id: str
    object: Literal["glossary"] = "glossary"
    name: str
    description: str
    created_at: int
    terms: int = Field(description="terms it holds now; a build brings them into use")
    version: int | None = Field(description="in use: that of the last build that is ready")
    status: Literal["empty", "pending", "building", "ready", "failed"] = Field(description="of its newest build")


class Deleted(Answer):
    """What is no longer there."""

    id: str
    object: str
    deleted: Literal[True] = True


class TermChange(Answer):
    """A term after a change, and the build that brings it into use."""

    term: TermEntry
    build: Build | None


class TermDeletion(Deleted):
    """A term that is gone, and the build without it."""

    build: Build | None


class Import(Answer):
    """What an import did, and the build that brings it into use."""

    object: Literal["glossary.import"] = "glossary.import"
    accepted: int = Field(description="terms that are now in the glossary as they were sent")
    removed: int = Field(description="terms that were there and not sent, with mode=replace")
    build: Build


class Recording(Answer):
    """A recording of a term."""

    id: str
    object: Literal["glossary.recording"] = "glossary.recording"
    term_id: str
    seconds: float
    created_at: int
    build: Build | None = None


class Model(Answer):
    """A model that requests can name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    languages: list[str]


class ModelList(Answer):
    """All of them, the default one first."""

    object: Literal["list"] = "list"
    data: list[Model]


class Health(Answer):
    """The process runs; with `shards`, how many parts of the search respond."""

    status: Literal["ok", "not ready"]
    shards: int | None = None
    answered: int | None = None


class Detected(Answer):
    """A term that was heard."""

    term: str
    category: str
    start: float
    end: float
    score: float = Field(description="probability that it was said there, 0 to 1")
    spellings: list[str]
    evidence: dict[str, float] = Field(description="each stage's own score")


class Biased(Detected):
    """A term that was heard and what the transcript made of it."""

    outcome: Literal["applied", "already right", "rejected"]
    reason: str
    text_start: int | None = Field(description="where it stands in the text, in characters")
    text_end: int | None
    replaced: str = Field(description="the unbiased words in whose place it stands")


class Shards(Answer):
    """How many parts of the glossary were searched."""

    answered: int
    total: int


class Biasing(Answer):
    """How the glossary changed a transcript, and how it would read without."""

    glossary_id: str | None
    glossary_version: int | None
    degraded: bool = Field(description="a part of the glossary was not searched in time")
    shards: Shards
    terms: list[Biased]
    unbiased_text: str


class Spotted(Answer):
    """The terms that were heard in a recording."""

    object: Literal["audio.keywords"] = "audio.keywords"
    keywords: list[Detected]
    duration: float
    glossary_id: str | None
    glossary_version: int | None
    degraded: bool
    shards: Shards


class Usage(Answer):
    """What counts against the quota."""

    type: Literal["duration"] = "duration"
    seconds: float


class WordTime(Answer):
    """A word with its seconds."""

    word: str
    start: float
    end: float


class SegmentTime(Answer):
    """A segment as OpenAI's API describes it."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class Transcript(Answer):
    """``response_format=json``."""

    text: str
    usage: Usage
    biasing: Biasing


class VerboseTranscript(Transcript):
    """``response_format=verbose_json``."""

    task: Literal["transcribe"] = "transcribe"
    language: str
    duration: float
    segments: list[SegmentTime] | None = None
    words: list[WordTime] | None = None
