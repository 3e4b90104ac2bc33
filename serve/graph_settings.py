"""Every setting of the service: its HTTP face, the models, the glossary's shards, and how many replicas of each."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.biasing.settings import BiasingSettings
from harken.cascade_settings import CascadeSettings
from harken.config import Fraction, Section
from harken.vad_settings import VadSettings
from serve.logs import LogSettings
from serve.settings import ServiceSettings

GIBIBYTE = 1024**3
_TRIES_TO_START = 3


class ReplicaSettings(Section):
    """How many replicas of a deployment there are, what each takes, and how much may wait for them."""

    least: PositiveInt = Field(1, description="replicas when there is little to do")
    most: PositiveInt = Field(1, description="replicas when there is much; as `least`: no autoscaling")
    ongoing_target: PositiveFloat = Field(4.0, description="requests in each replica that autoscaling aims at")
    ongoing: PositiveInt = Field(16, description="requests in each replica at a time")
    queued: PositiveInt = Field(
        64,
        description="requests that may wait at each caller; the next one is refused. None waits for an ingress that "
        "listens itself",
    )
    cpus: NonNegativeFloat = Field(1.0, description="CPUs Ray reserves for each replica")
    gpus: NonNegativeFloat = Field(0.0, description="share of a GPU Ray reserves for each replica, such as 0.25")
    surge: Fraction = Field(
        0.0, description="share of new replicas that a rolling update starts before it stops as many old ones"
    )
    drain_seconds: PositiveFloat = Field(30.0, description="what a replica that ends has for the requests in it")
    health_seconds: PositiveFloat = Field(10.0, description="between two health checks")
    health_timeout_seconds: PositiveFloat = Field(30.0, description="without an answer the replica is replaced")

    @model_validator(mode="after")
    def _most_is_no_less(self) -> "ReplicaSettings":
        if self.most < self.least:
            raise ValueError(f"most {self.most} replicas are fewer than least {self.least}")
        return self

    def options(self) -> dict[str, Any]:
        """As ``Deployment.options`` takes them."""
        options: dict[str, Any] = {
            "max_ongoing_requests": self.ongoing,
            "max_queued_requests": self.queued,
            "ray_actor_options": {"num_cpus": self.cpus, "num_gpus": self.gpus},
            "max_surge_percent": round(100 * self.surge),
            "graceful_shutdown_timeout_s": self.drain_seconds,
            "health_check_period_s": self.health_seconds,
            "health_check_timeout_s": self.health_timeout_seconds,
            # What cannot start now cannot start later: wrong folders and too little memory are told soon.
            "max_constructor_retry_count": _TRIES_TO_START,
        }
        if self.most == self.least:
            return options | {"num_replicas": self.least}
        scaling = {
            "min_replicas": self.least,
            "max_replicas": self.most,
            "target_ongoing_requests": self.ongoing_target,
        }
        return options | {"autoscaling_config": scaling}


class ModelSettings(Section):
    """A model that requests can name."""

    folder: str = Field(description="a Whisper's folder or hub id")
    adapter: Path | None = Field(None, description="folder of a LoRA adapter that is merged into it")
    language: str | None = Field(
        None, description="of requests that name none, as Whisper's code; null: the model tells it by the sound"
    )


class TranscriberSettings(Section):
    """Replicas that hear and write: encoder, decoder, biasing."""

    replicas: ReplicaSettings = ReplicaSettings()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = Field(1, description="PyTorch's CPU threads in each replica")
    models_loaded: PositiveInt = Field(2, description="models held by each replica; the one used longest ago makes way")
    batch: PositiveInt = Field(8, description="windows of speech that go through encoder or decoder together, at most")
    batch_seconds: NonNegativeFloat = Field(
        0.0,
        description="the first window of a batch waits so long for others; those that come while a batch is worked on "
        "are the next one's in any case",
    )
    windows_at_once: PositiveInt = Field(4, description="windows of one request that are worked on at a time")
    terms_held: PositiveInt = Field(
        4096, description="terms sent with requests, once enrolled, that each replica remembers"
    )
    max_new_tokens: PositiveInt = Field(200, description="of each window")
    vad: VadSettings = VadSettings()
    biasing: BiasingSettings = BiasingSettings()


class GlossarySearchSettings(Section):
    """The spotter and the shards of all glossaries."""

    spotter: Path = Field(description="folder of the spotter")
    search: Path | None = Field(None, description="folder of the search model; None: search/ in the spotter's folder")
    shards: Literal[1, 2, 4, 8] = Field(1, description="deployments that a glossary's partitions are divided among")
    cascade: CascadeSettings = CascadeSettings()
    replicas: ReplicaSettings = ReplicaSettings()
    device: Literal["cpu", "cuda"] = "cpu"
    threads: PositiveInt = Field(1, description="PyTorch's CPU threads in each replica")
    deadline_seconds: PositiveFloat = Field(
        2.0, description="for the search of one window; shards that have not answered by then are left out"
    )
    open_bytes: PositiveInt = Field(
        8 * GIBIBYTE, description="of the glossary versions that one replica holds open; mapped, not copied"
    )

    @property
    def search_folder(self) -> Path:
        """Where the search model is."""
        return self.search or self.spotter / "search"


class GlossaryBuildSettings(Section):
    """How the versions of glossaries are made: a run of `jobs.glossary` in a Ray task."""

    config: Path = Field(
        description="configuration of jobs.glossary: voices, curation, bits, workers; models, terms and folders are "
        "the service's instead. Terms sent with a request are spoken by the same voices"
    )
    workers: NonNegativeInt | None = Field(
        None, description="of each stage, in place of the configuration's; 0: all in the task itself"
    )
    cpus: NonNegativeFloat = Field(1.0, description="CPUs Ray reserves for the task that runs it")
    seconds: PositiveFloat = Field(86_400.0, description="a build that takes longer has failed")


class GraphSettings(Section):
    """The whole service."""

    service: ServiceSettings = ServiceSettings()
    ingress: ReplicaSettings = ReplicaSettings(ongoing=256, queued=256, ongoing_target=64)
    models: dict[str, ModelSettings] = Field(min_length=1, description="by the name in requests; the first is default")
    transcriber: TranscriberSettings = TranscriberSettings()
    glossary: GlossarySearchSettings
    builds: GlossaryBuildSettings
    logs: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _one_ingress_listens(self) -> "GraphSettings":
        if self.service.listen.by == "ingress" and self.ingress.most > 1:
            raise ValueError(
                f"ingress.most is {self.ingress.most}, and one process listens where service.listen.by is 'ingress': "
                "set it to 'proxies' for more"
            )
        return self

    @property
    def default_model(self) -> str:
        """The model of requests that name none."""
        return next(iter(self.models))
