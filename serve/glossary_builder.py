"""Makes the versions of glossaries that the service is asked for, by runs of `jobs.glossary` in Ray tasks.

A version begins as links to the files of the one before, which never change; then only terms that it lacks are spoken
and enrolled (`jobs.glossary_update`). A run ends with the ingress replica that waits for it; the build stays in the
database, and whoever takes it up runs the same again, which goes on from the stages that are complete.
"""

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from compression.glossary.manifest import read_manifest
from harken.config import dump_yaml
from harken.errors import HarkenError
from serve.build_run import RunLostError, follow
from serve.builder import BuildOrder, BuildTerm
from serve.graph_settings import GraphSettings
from serve.recipe import build_recipe

_LOG = logging.getLogger("harken.builds")
_BEAT_SECONDS = 1.0
_SHARDS_DONE = re.compile(r"(?P<stage>[\w-]+?)(-[0-9a-f]+)?: (?P<done>\d+)/(?P<total>\d+) shards")
# Shares of a run's time: how far it is when a stage begins, and when it has ended.
_STAGES = {"readings": (0.02, 0.1), "speech": (0.1, 0.4), "enrolments": (0.4, 0.95)}
_TRIES_TO_UPDATE = 2
# A version of more pieces, or with a greater share of entries that are no longer there, is rewritten as one.
_MOST_SEGMENTS = 8
_MOST_REMOVED = 0.3


class BuildTooLongError(HarkenError):
    """A run did not end in `builds.seconds`; the stages that it completed are there for the next one."""


class GlossaryBuilder:
    """See `serve.builder.Builder`.

    Raises:
        HarkenError: later, the configuration of builds is missing or broken.
    """

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings

    def build(self, order: BuildOrder, progress: Callable[[float], None]) -> None:
        """See `serve.builder.Builder.build`."""
        work = order.folder.parent / "work"
        work.mkdir(parents=True, exist_ok=True)
        # Of one name in all versions: the store notes which list a spelling is of.
        listed, config = work / "terms.jsonl", work / "glossary.yaml"
        _write_lines(listed, map(_line, order.terms))
        config.write_text(dump_yaml(build_recipe(self._settings, order.folder, listed)), encoding="utf-8")
        if not self._updated(order, config, progress):
            shutil.rmtree(order.folder, ignore_errors=True)
            self._command("build", config, progress)
        # The store has all that the next version needs.
        shutil.rmtree(work / "run", ignore_errors=True)

    def _updated(self, order: BuildOrder, config: Path, progress: Callable[[float], None]) -> bool:
        """Make the version of the one before; False where that is not possible.

        Raises:
            BuildTooLongError: all of it anew would take longer still.
        """
        if order.previous is None or not order.previous.is_dir():
            return False
        try:
            self._update(order.previous, order.folder, config, progress)
            segments = read_manifest(order.folder).segments
            entries = sum(segment.entries for segment in segments)
            removed = sum(segment.removed for segment in segments)
            if len(segments) > _MOST_SEGMENTS or removed > _MOST_REMOVED * entries:
                self._command("compact", config, progress)
        except BuildTooLongError:
            raise
        except (HarkenError, OSError) as failure:
            _LOG.warning("glossary %s is built anew, not from its last version: %s", order.glossary_id, failure)
            return False
        return True

    def _update(self, previous: Path, folder: Path, config: Path, progress: Callable[[float], None]) -> None:
        """Of the version before and what has been enrolled since; a run that is lost has left that."""
        for left in reversed(range(_TRIES_TO_UPDATE)):
            _link(previous, folder)
            try:
                self._command("update", config, progress)
                return
            except RunLostError as failure:
                if not left:
                    raise
                _LOG.warning("the update of %s goes on after a loss: %s", folder.parent.name, failure)

    def _command(self, name: str, config: Path, progress: Callable[[float], None]) -> None:
        """Run a command of ``python -m jobs.glossary`` to its end.

        Raises:
            HarkenError: it failed; RunLostError and BuildTooLongError where it had no say in that.
            BuildCancelledError: `progress` raised it.
        """
        command = [sys.executable, "-m", "jobs.glossary", name, "--config", str(config)]
        address = ray.get_runtime_context().gcs_address
        options = {
            "num_returns": "streaming",
            "num_cpus": self._settings.builds.cpus,
            "name": f"jobs.glossary {name}",
        }
        lines: Any = ray.remote(follow).options(**options).remote(command, {"RAY_ADDRESS": address})
        ends, done = monotonic() + self._settings.builds.seconds, 0.0
        try:
            while True:
                ready, _ = ray.wait([lines], timeout=_BEAT_SECONDS, fetch_local=False)
                if ready:
                    done = max(done, _share(ray.get(next(lines))))
                progress(done)
                if monotonic() > ends:
                    limit = f"{self._settings.builds.seconds:g} s"
                    raise BuildTooLongError("glossary build", limit, "It took longer: raise builds.seconds.")
        except StopIteration:
            return
        except RayTaskError as failure:
            if isinstance(failure.cause, HarkenError):
                raise failure.cause from None
            raise
        except RayError as failure:
            remedy = "Its process was lost; ask for another build."
            raise RunLostError("glossary build", type(failure).__name__, remedy) from failure
        finally:
            ray.cancel(lines)


def _line(term: BuildTerm) -> str:
    fields: dict[str, object] = {"term": term.term, "category": term.category, "language": term.language}
    fields["spoken"] = [term.spoken] if term.spoken else []
    fields["audio"] = [str(path.absolute()) for path in term.recordings]
    return json.dumps(fields, ensure_ascii=False)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    temporary.replace(path)


def _link(folder: Path, to: Path) -> None:
    """The same files under another folder; whoever changes a glossary writes new files and renames them."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to, copy_function=os.link, ignore=shutil.ignore_patterns("*.lock", ".lock"))


def _share(line: str) -> float:
    """How much of a run a line of its output says is done."""
    found = _SHARDS_DONE.search(line)
    for stage, (begin, end) in _STAGES.items():
        if found and found["stage"].startswith(stage) and int(found["total"]):
            return begin + (end - begin) * int(found["done"]) / int(found["total"])
    return 0.0
