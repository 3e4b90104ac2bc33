"""Every setting of the service's HTTP face: where it listens, who may ask, how much, and where it keeps its data."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.audio import MAX_BYTES
from harken.config import Section

MEBIBYTE = 1024 * 1024


class ListenSettings(Section):
    """The address of the service."""

    host: str = Field("127.0.0.1", description="0.0.0.0 listens on every interface, which needs keys")
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free one, where the ingress listens")
    by: Literal["proxies", "ingress"] = Field(
        "proxies",
        description="who takes connections: 'proxies', Ray Serve's, on every node; 'ingress', which answers sooner, in "
        "one process where `python -m serve` is started",
    )
    keep_alive_seconds: PositiveInt = Field(90, description="a connection without a request is closed after so long")

    @property
    def address(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class AccessSettings(Section):
    """Who may ask."""

    anonymous: Literal["local", "never", "always"] = Field(
        "local",
        description="requests without a key: 'local' serves them when listening on a loopback address only, 'never' "
        "refuses them, 'always' serves them on a public address too",
    )
    metrics: Literal["open", "admin"] = Field("open", description="'admin' asks for a key with that scope at /metrics")


class QuotaSettings(Section):
    """What one tenant may ask for; a tenant's own figures, where it has some, come first."""

    requests_per_minute: PositiveInt = Field(600, description="a full bucket of so many, refilled over a minute")
    audio_seconds_per_minute: PositiveInt = Field(3600, description="the same, in seconds of decoded audio")
    requests_at_once: PositiveInt = Field(
        128, description="in each ingress replica, so that one tenant's slow clients leave room for others"
    )


class LimitSettings(Section):
    """What one request, one glossary and one tenant may hold."""

    upload_bytes: int = Field(
        25 * MEBIBYTE, ge=1, le=MAX_BYTES, description="of a body with audio, counted as it comes"
    )
    import_bytes: PositiveInt = Field(256 * MEBIBYTE, description="of a body with terms")
    document_bytes: PositiveInt = Field(MEBIBYTE, description="of any other body")
    upload_seconds: PositiveFloat = Field(120.0, description="a body that is not complete by then is given up")
    upload_pause_seconds: PositiveFloat = Field(20.0, description="and one of which nothing comes for so long, sooner")
    answer_pause_seconds: PositiveFloat = Field(
        30.0, description="a client that takes nothing of its answer for so long is given up"
    )
    audio_seconds: PositiveFloat = Field(600.0, description="of one file")
    recording_seconds: PositiveFloat = Field(10.0, description="of one recording of a term")
    recordings_per_term: PositiveInt = 16
    keywords: NonNegativeInt = Field(100, description="sent with one request")
    terms_per_glossary: PositiveInt = 1_000_000
    glossaries_per_tenant: PositiveInt = 1000


class DecoderSettings(Section):
    """The processes that decode uploads: each file in one of its own, which then ends."""

    workers: PositiveInt = Field(4, description="files decoded at a time")
    waiting: NonNegativeInt = Field(64, description="files that may wait for that; the next is told to come back")
    wall_seconds: PositiveFloat = 10.0
    cpu_seconds: PositiveInt = 5
    memory_bytes: PositiveInt = Field(512 * MEBIBYTE, description="address space")


class BuildSettings(Section):
    """How glossary versions are made."""

    workers: PositiveInt = Field(1, description="builds at a time in one process of the service")
    attempts: PositiveInt = Field(3, description="a build that was interrupted so often has failed")
    lease_seconds: PositiveFloat = Field(30.0, description="a build without a sign of life for so long is taken over")
    versions_kept: PositiveInt = Field(2, description="ready versions of a glossary that stay on disk")


class ServiceSettings(Section):
    """The whole HTTP face."""

    data: Path = Field(Path("outputs/service"), description="folder of the database, glossary versions and recordings")
    database: str | None = Field(
        None, description="SQLAlchemy URL, such as postgresql+psycopg://host/name; None: SQLite in `data`"
    )
    listen: ListenSettings = ListenSettings()
    access: AccessSettings = AccessSettings()
    quotas: QuotaSettings = QuotaSettings()
    limits: LimitSettings = LimitSettings()
    decoder: DecoderSettings = DecoderSettings()
    builds: BuildSettings = BuildSettings()
    request_seconds: PositiveFloat = Field(120.0, description="a transcription that takes longer is given up")

    @model_validator(mode="after")
    def _decoder_holds_the_audio(self) -> "ServiceSettings":
        # The upload, its samples at 16 kHz twice (blocks, then joined), and the libraries' own address space.
        needed = self.limits.upload_bytes + int(self.limits.audio_seconds * 16_000 * 4 * 2) + 256 * MEBIBYTE
        if needed > self.decoder.memory_bytes:
            raise ValueError(
                f"decoder.memory_bytes {self.decoder.memory_bytes:,} cannot hold limits.audio_seconds "
                f"{self.limits.audio_seconds:g} of limits.upload_bytes {self.limits.upload_bytes:,}: give {needed:,}"
            )
        return self
