"""Start the service on this machine: ``python -m serve --config configs/serve.yaml``.

On the first start it makes a glossary of the list in `--terms`, by the same requests that any client sends, and shows
how far that is; then it prints a line to try.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import serve

from compression.search_model import SETTINGS_FILE as SEARCH_SETTINGS_FILE
from compression.storage import SETTINGS_FILE
from harken.config import load_config
from harken.errors import HarkenError, first_line
from harken.model_folder import locate_model
from serve.console import LogFollower
from serve.graph import APPLICATION, build
from serve.graph_settings import GraphSettings
from serve.http_server import bound
from serve.logs import ray_logging

# Logical ones, by which Ray counts replicas and not cores: on a small machine all of them share what there is.
_CPUS_BESIDE_REPLICAS = 4
# As RAY_SERVE_THROUGHPUT_OPTIMIZED has them: calls go through no further threads in a replica. None of ours blocks its
# event loop.
_SINGLE_LOOPS = ("RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP")
_BAD_INPUT = 2
_PERCENT_BETWEEN_LINES = 10
_SECONDS_TO_PASS_ON = 1.0
_SECONDS_TO_CUT_OFF = 5.0
LOG = "service.log"
_LAYOUTS = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".jsonl": "application/jsonl"}


def start(settings: GraphSettings) -> str:
    """Start Ray where none runs, and the application on it; returns the service's address.

    Raises:
        HarkenError: the address is taken, or a deployment cannot start.
    """
    _check_models(settings)
    listen = settings.service.listen
    running = ray.is_initialized() and APPLICATION in serve.status().applications
    proxies = listen.by == "proxies"
    if not (proxies or running):
        # What cannot be had is told before Ray is started; a free port stays the same when the ingress is replaced.
        with bound(listen) as found:
            listen = listen.model_copy(update={"port": found.getsockname()[1]})
        service = settings.service.model_copy(update={"listen": listen})
        settings = settings.model_copy(update={"service": service})
    if not ray.is_initialized():
        _connect(settings)
    quiet = ray_logging(settings.logs)
    logging.getLogger("ray.serve").setLevel(str(quiet["log_level"]))
    serve.start(
        proxy_location="EveryNode" if proxies else "Disabled",
        http_options={
            "host": listen.host,
            "port": listen.port,
            "keep_alive_timeout_s": listen.keep_alive_seconds,
            "request_timeout_s": settings.service.request_seconds + settings.service.limits.upload_seconds,
        },
        logging_config=quiet,
    )
    prefix = "/" if proxies else None
    try:
        serve.run(build(settings), name=APPLICATION, route_prefix=prefix, logging_config=quiet)
    except RuntimeError as failure:
        raise HarkenError("service", first_line(failure), _why_not()) from failure
    return f"http://{listen.address}"


def make_glossary(address: str, name: str, terms: Path, patience: float) -> str:
    """The id of the glossary of this name, which is made of a list if there is none, once it can be used.

    Raises:
        HarkenError: the list is missing, the service refuses it, or its build fails.
    """
    found = next((one for one in _call(f"{address}/v1/glossaries?limit=1000")["data"] if one["name"] == name), None)
    if found is None:
        found = _call(f"{address}/v1/glossaries", {"name": name})
        layout = _LAYOUTS.get(terms.suffix)
        if layout is None or not terms.is_file():
            raise HarkenError("list of terms", str(terms), f"Name a file that ends with one of {', '.join(_LAYOUTS)}.")
        _call(f"{address}/v1/glossaries/{found['id']}/imports", terms.read_bytes(), layout)
    _wait(f"{address}/v1/glossaries/{found['id']}", patience)
    identifier: str = found["id"]
    return identifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code: 0 ended by a signal, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m serve", description="Start the service on this machine.")
    parser.add_argument("--config", type=Path, default=Path("configs/serve.yaml"), help="YAML file of the service")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--terms", type=Path, help="make a glossary of this list on the first start")
    parser.add_argument("--name", help="of that glossary (default: the list's folder)")
    parser.add_argument("--verbose", action="store_true", help="show everything that Ray and the service's parts say")
    options = parser.parse_args(arguments)
    follower: LogFollower | None = None
    try:
        settings = load_config(options.config, options.overrides, GraphSettings)
        settings = _logging(settings, options.verbose)
        if settings.logs.file is not None:
            follower = LogFollower(settings.logs.file)
        address = start(settings)
        print(f"Harken listens on {address} (API: {address}/docs, page: {address}/)", flush=True)
        glossary = None
        if options.terms:
            name = options.name or options.terms.absolute().parent.name
            glossary = make_glossary(address, name, options.terms, settings.builds.seconds)
        print(_example(address, glossary), flush=True)
        _until_ended()
        print("ending: requests in progress are finished first (another signal ends them)", flush=True)
        _drain(settings.ingress.drain_seconds)
    except HarkenError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        pass
    finally:
        if ray.is_initialized():
            _end(verbose=options.verbose)
        if follower is not None:
            follower.stop()
    return 0


def _logging(settings: GraphSettings, verbose: bool) -> GraphSettings:
    """The settings with a log file to follow; verbose: with what all processes say as Ray forwards it instead."""
    if verbose:
        told: dict[str, object] = {"level": "debug", "file": None}
    else:
        told = {"file": (settings.logs.file or settings.service.data / LOG).absolute()}
    return settings.model_copy(update={"logs": settings.logs.model_copy(update=told)})


def _drain(seconds: float) -> None:
    """Let the requests under way end, and no others begin."""
    ingress = serve.get_app_handle(APPLICATION)
    told: list[Any] = []
    # An ingress that does not respond has nothing under way that could still be saved.
    with contextlib.suppress(TimeoutError):
        asked = ingress.broadcast("end_requests", seconds)
        told = asked.results(timeout_s=seconds + _SECONDS_TO_PASS_ON, return_exceptions=True)
    left = sum(one for one in told if isinstance(one, int))
    if left:
        print(f"ending: {left} requests took longer than ingress.drain_seconds ({seconds:g} s): cut off", flush=True)
    # What the last ones were answered may still be on its way.
    time.sleep(_SECONDS_TO_PASS_ON)


def _end(verbose: bool) -> None:
    """End Serve and Ray; signals change nothing about that any more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    unheard = io.StringIO()
    with contextlib.ExitStack() as quiet:
        if not verbose:
            # Ray tells there, in either, that its own controller, which has ended itself, has ended.
            quiet.enter_context(contextlib.redirect_stderr(unheard))
            quiet.enter_context(contextlib.redirect_stdout(unheard))
        _cut_off()
        serve.shutdown()
        ray.shutdown()


def _cut_off() -> None:
    """Keep nobody waiting for what is still under way."""
    # Of one that did not start or does not respond nobody waits for anything.
    with contextlib.suppress(Exception):
        ingress = serve.get_app_handle(APPLICATION)
        ingress.broadcast("cut_off").results(timeout_s=_SECONDS_TO_CUT_OFF, return_exceptions=True)


def _why_not() -> str:
    """What Serve knows of the parts that did not start."""
    found = serve.status().applications.get(APPLICATION)
    told = [] if found is None else [part.message for part in found.deployments.values() if part.status != "HEALTHY"]
    lines = [line.strip() for message in told for line in message.splitlines() if "Error" in line]
    return lines[-1] if lines else "A part did not start: --verbose shows what it says."


def _check_models(settings: GraphSettings) -> None:
    """Tell at once what replicas would find out only after minutes."""
    for model in settings.models.values():
        locate_model(model.folder)
    search = settings.glossary
    for path in (search.spotter / SETTINGS_FILE, search.search_folder / SEARCH_SETTINGS_FILE):
        if not path.is_file():
            remedy = (
                "It is not there: train it with jobs.keywords, or name another folder in glossary.spotter and .search."
            )
            raise HarkenError("spotter or search model", str(path), remedy)


def _connect(settings: GraphSettings) -> None:
    verbose = settings.logs.file is None
    shown: dict[str, Any] = {"log_to_driver": verbose, "logging_level": "info" if verbose else "warning"}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        ray.init(address=address, **shown)
        return
    # As jobs.cluster: a token of our own keeps Ray's out of the user's ~/.ray.
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # It warns of every token, those that are meant too.
        logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    for name in _SINGLE_LOOPS:
        os.environ.setdefault(name, "0")
    replicas = (settings.ingress, settings.transcriber.replicas)
    needed = sum(one.most * one.cpus for one in replicas) + settings.builds.cpus
    needed += settings.glossary.shards * settings.glossary.replicas.most * settings.glossary.replicas.cpus
    ray.init(address="local", num_cpus=int(needed) + _CPUS_BESIDE_REPLICAS, include_dashboard=False, **shown)


def _wait(address: str, patience: float) -> None:
    """Show how far the newest build is until the glossary can be used."""
    ends, told = time.monotonic() + patience, -_PERCENT_BETWEEN_LINES
    while time.monotonic() < ends:
        builds = _call(f"{address}/builds?limit=1000")["data"]
        newest = builds[-1]
        if newest["status"] == "ready":
            print(f"glossary: {newest['terms']} terms, version {newest['version']} is ready", flush=True)
            return
        if newest["status"] == "failed":
            raise HarkenError("glossary build", newest["id"], f"It failed: {newest['failure_reason']}")
        percent = int(100 * newest["progress"])
        if percent >= told + _PERCENT_BETWEEN_LINES:
            told = percent
            print(f"glossary: {newest['status']}, {percent} %", flush=True)
        time.sleep(0.5)
    raise HarkenError("glossary build", f"{patience:g} s", "It is not ready: raise builds.seconds.")


def _call(url: str, body: Any = None, kind: str = "application/json") -> Any:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": kind} if content is not None else {})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        remedy = refusal.read().decode(errors="replace")[:500]
        raise HarkenError(f"answer of {url}", refusal.code, remedy) from None
    except urllib.error.URLError as failure:
        raise HarkenError("service", url, f"It does not answer ({failure.reason}).") from None


def _example(address: str, glossary: str | None) -> str:
    named = f" -F glossary_id={glossary}" if glossary else ""
    return f"try: curl {address}/v1/audio/transcriptions -F model=whisper-1 -F file=@speech.wav{named}"


def _until_ended() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
