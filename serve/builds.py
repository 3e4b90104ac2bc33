"""Does the builds that a queue holds, one after another in the background of the service."""

import logging
import shutil
import threading
from collections.abc import Callable
from time import monotonic

from prometheus_client import Counter

from harken.errors import HarkenError
from serve.backend import GlossaryVersion
from serve.build_queue import BuildQueue
from serve.builder import BuildCancelledError, Builder, BuildOrder
from serve.identifiers import new_id
from serve.schemas import Build
from serve.settings import BuildSettings

_LOG = logging.getLogger("harken.builds")
_POLL_SECONDS = 1.0


class BuildWorker:
    """Threads that do the builds of a queue.

    Args:
        publish: makes a version known to whoever searches, before requests are given it.
        ended: counts the builds by their status.
    """

    def __init__(
        self,
        queue: BuildQueue,
        builder: Builder,
        publish: Callable[[GlossaryVersion], None],
        ended: Counter,
        settings: BuildSettings,
    ) -> None:
        self._queue = queue
        self._builder = builder
        self._publish = publish
        self._ended = ended
        self._settings = settings
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, name=f"builds-{number}", daemon=True)
            for number in range(settings.workers)
        ]

    def start(self) -> None:
        """Begin with what waits."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Give back what is being built and end."""
        self._stopping.set()
        self._queue.asked.set()
        for thread in self._threads:
            thread.join(seconds)

    def _loop(self) -> None:
        owner = new_id()
        while not self._stopping.is_set():
            try:
                build = self._queue.claim(owner)
                if build is None:
                    # Other processes ask through the database alone.
                    self._queue.asked.wait(_POLL_SECONDS)
                    self._queue.asked.clear()
                else:
                    self._do(build, owner)
            except Exception:  # a database that is away for a while must not end the builds for good
                _LOG.exception("builds wait for %g seconds", _POLL_SECONDS)
                self._stopping.wait(_POLL_SECONDS)

    def _do(self, build: Build, owner: str) -> None:
        began = monotonic()
        order = self._queue.order(build)
        unwanted = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                shutil.rmtree(order.folder, ignore_errors=True)
                order.folder.parent.mkdir(parents=True, exist_ok=True)
                self._builder.build(order, progress)
                self._publish(GlossaryVersion(order.glossary_id, order.version, order.folder))
            except BaseException as failure:  # told to the waiting thread, whatever it is
                failures.append(failure)

        def progress(done: float) -> None:
            if unwanted.is_set() or self._stopping.is_set():
                raise BuildCancelledError
            if not self._queue.tell(build, owner, min(max(done, 0.0), 1.0)):
                raise BuildCancelledError

        building = threading.Thread(target=run, name=f"build-{build.id}", daemon=True)
        building.start()
        beat = min(self._settings.lease_seconds / 4, _POLL_SECONDS)
        while building.is_alive():
            building.join(beat)
            if self._stopping.is_set():
                building.join(beat)
                break
            if not self._queue.tell(build, owner):
                unwanted.set()
        self._end(build, owner, order, failures[0] if failures else None, building.is_alive(), began)

    def _end(
        self,
        build: Build,
        owner: str,
        order: BuildOrder,
        failure: BaseException | None,
        unfinished: bool,
        began: float,
    ) -> None:
        if unfinished or isinstance(failure, BuildCancelledError):
            # Without effect where the build is no longer ours.
            self._queue.give_back(build, owner)
            return
        if failure is None and self._queue.finish(build, owner):
            told = build.glossary_id, build.version, order.count, monotonic() - began
            _LOG.info("glossary %s: version %d of %d terms built in %.1f s", *told)
            self._ended.labels("ready").inc()
            self._queue.discard_old(build.glossary_id)
            return
        if failure is not None:
            # What the list is to blame for needs no traceback.
            ours = None if isinstance(failure, HarkenError) else failure
            _LOG.error("glossary %s: build %s failed: %s", build.glossary_id, build.id, failure, exc_info=ours)
            self._ended.labels("failed").inc()
            self._queue.finish(build, owner, _reason(failure, build, order))
        shutil.rmtree(order.folder, ignore_errors=True)


def _reason(failure: BaseException, build: Build, order: BuildOrder) -> str:
    if isinstance(failure, HarkenError):
        # Where the server keeps its files is its own affair.
        return str(failure).replace(str(order.folder.parent), "glossary")
    return f"The server failed; its log has the cause under build {build.id}."
