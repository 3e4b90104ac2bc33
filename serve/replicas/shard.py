"""One shard of every glossary: the deployment that searches some of the partitions of whatever version it is asked."""

import asyncio
import logging

import torch

from compression.cascade.result import ShardResult
from compression.cascade.search import Cascade
from compression.cascade.utterance import CompressedUtterance
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import check_models
from compression.glossary.partitions import PARTITIONS, shard_partitions
from compression.search_model import SearchModel
from compression.storage import load_spotter
from serve.backend import GlossaryVersion
from serve.graph_settings import GlossarySearchSettings
from serve.logs import LogSettings, configure
from serve.replicas.figures import ShardFigures
from serve.replicas.opened import OpenVersions

_LOG = logging.getLogger("harken.search")


class Shard:
    """Holds its partitions of the versions that are in use; a version is opened when it is first asked for.

    Raises:
        HarkenError: spotter or search model are missing, damaged or do not belong together.
    """

    def __init__(self, number: int, settings: GlossarySearchSettings, logs: LogSettings) -> None:
        configure(logs, f"shard-{number}")
        torch.set_num_threads(settings.threads)
        self._settings = settings
        self._spotter = load_spotter(settings.spotter, settings.device)
        self._search_model = SearchModel.load(settings.search_folder, self._spotter)
        self._fingerprint = self._search_model.fingerprint()
        self._partitions = shard_partitions(number, of=settings.shards)
        self._versions = OpenVersions(self._open, settings.open_bytes)
        self._figures = ShardFigures()

    async def search(self, version: GlossaryVersion, utterance: CompressedUtterance) -> ShardResult:
        """What this shard's partitions of a version hold that the utterance may say.

        Raises:
            HarkenError: the version cannot be opened with the models in use.
        """
        return await asyncio.to_thread(self._search, version, utterance)

    async def open(self, version: GlossaryVersion) -> None:
        """Open a version before requests name it.

        Raises:
            HarkenError: as `search`.
        """
        await asyncio.to_thread(self._versions.get, version)
        self._figures.holds(len(self._versions.keys), self._versions.size)

    async def ping(self) -> tuple[tuple[str, int], ...]:
        """The versions that are open."""
        return self._versions.keys

    def _search(self, version: GlossaryVersion, utterance: CompressedUtterance) -> ShardResult:
        result = self._versions.get(version).search(utterance)
        self._figures.searched({report.name: report.seconds for report in result.stages})
        self._figures.holds(len(self._versions.keys), self._versions.size)
        return result

    def _open(self, version: GlossaryVersion) -> tuple[Cascade, int]:
        glossary = open_glossary(version.folder, partitions=self._partitions, threads=self._settings.threads)
        # The encoder is not compared: the digest of a large model's files is another one on each machine.
        models = glossary.manifest.description.models
        in_use = models.model_copy(update={"spotter": self._search_model.spotter, "search": self._fingerprint})
        check_models(models, in_use, version.folder)
        _LOG.debug("opened version %d of glossary %s", version.version, version.glossary_id)
        size = sum(path.stat().st_size for path in version.folder.rglob("*") if path.is_file())
        cascade = Cascade(self._spotter, self._search_model, glossary, self._settings.cascade, self._settings.threads)
        return cascade, size * len(self._partitions) // PARTITIONS
