"""Makes the versions of glossaries that the service is asked for, by runs of `jobs.glossary` in Ray tasks.

A version begins as links to the files of the one before, which never change, and takes only what the list lost and
gained since. A run ends with the ingress replica that waits for it; the build stays in the database, and whoever takes
it up runs the same again, which goes on from the stages that are complete.
"""

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import ray
from ray.exceptions import RayError, RayTaskError

from compression.glossary.manifest import read_manifest
from harken.config import dump_yaml
from harken.errors import HarkenError
from serve.build_run import follow
from serve.builder import BuildOrder, BuildTerm
from serve.graph_settings import GraphSettings
from serve.recipe import build_recipe

_LOG = logging.getLogger("harken.builds")
_BEAT_SECONDS = 1.0
_SHARDS_DONE = re.compile(r"(?P<stage>[\w-]+?)(-[0-9a-f]+)?: (?P<done>\d+)/(?P<total>\d+) shards")
# Shares of a run's time: how far it is when a stage begins, and when it has ended.
_STAGES = {"readings": (0.02, 0.1), "speech": (0.1, 0.4), "enrolments": (0.4, 0.95)}
# A version that was made of more pieces is rewritten as one.
_MOST_SEGMENTS = 8
# From this share of changed terms on it is no dearer to begin anew.
_MOST_CHANGED = 0.5


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
        listed = work / f"{order.folder.name}.jsonl"
        _write_lines(listed, map(_line, order.terms))
        config = work / f"{order.folder.name}.yaml"
        config.write_text(dump_yaml(build_recipe(self._settings, order.folder, listed)), encoding="utf-8")
        if not self._changed(order, listed, config, progress):
            shutil.rmtree(order.folder, ignore_errors=True)
            self._command(["build"], config, progress)
        for older in work.glob("version-*.jsonl"):
            if older.name < listed.name and (order.previous is None or older.stem != order.previous.name):
                older.unlink()

    def _changed(self, order: BuildOrder, listed: Path, config: Path, progress: Callable[[float], None]) -> bool:
        """Make the version of the one before; False where that is not possible or not worth it."""
        before = listed.with_name(f"{order.previous.name}.jsonl") if order.previous else None
        if order.previous is None or before is None or not before.is_file() or not order.previous.is_dir():
            return False
        old, new = _read_lines(before), _read_lines(listed)
        gone = [old[term] for term in old if old[term] != new.get(term)]
        come = [new[term] for term in new if new[term] != old.get(term)]
        if len(gone) + len(come) > _MOST_CHANGED * len(new):
            return False
        try:
            _link(order.previous, order.folder)
            for command, lines in (("remove", gone), ("add", come)):
                if lines:
                    part = listed.with_name(f"{order.folder.name}-{command}.jsonl")
                    _write_lines(part, lines)
                    self._command([command, str(part)], config, progress)
                    part.unlink()
            if len(read_manifest(order.folder).segments) > _MOST_SEGMENTS:
                self._command(["compact"], config, progress)
        except (HarkenError, OSError) as failure:
            _LOG.warning("glossary %s is built anew, not from its last version: %s", order.glossary_id, failure)
            return False
        return True

    def _command(self, arguments: Sequence[str], config: Path, progress: Callable[[float], None]) -> None:
        """Run ``python -m jobs.glossary`` to its end.

        Raises:
            HarkenError: it failed, or took too long.
            BuildCancelledError: `progress` raised it.
        """
        command = [sys.executable, "-m", "jobs.glossary", *arguments, "--config", str(config)]
        address = ray.get_runtime_context().gcs_address
        options = {
            "num_returns": "streaming",
            "num_cpus": self._settings.builds.cpus,
            "name": f"jobs.glossary {arguments[0]}",
        }
        lines = ray.remote(follow).options(**options).remote(command, {"RAY_ADDRESS": address})
        ends, done = monotonic() + self._settings.builds.seconds, 0.0
        try:
            while True:
                ready, _ = ray.wait([lines], timeout=_BEAT_SECONDS, fetch_local=False)
                if ready:
                    done = max(done, _share(ray.get(next(lines))))
                progress(done)
                if monotonic() > ends:
                    limit = f"{self._settings.builds.seconds:g} s"
                    raise HarkenError("glossary build", limit, "It took longer: raise builds.seconds.")
        except StopIteration:
            return
        except RayTaskError as failure:
            if isinstance(failure.cause, HarkenError):
                raise failure.cause from None
            raise
        except RayError as failure:
            remedy = "Its process was lost; ask for another build."
            raise HarkenError("glossary build", type(failure).__name__, remedy) from failure
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


def _read_lines(path: Path) -> Mapping[str, str]:
    """The lines of a list by their term."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["term"]: line for line in lines}


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
