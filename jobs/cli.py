"""The face every job shares: ``python -m jobs.NAME --config FILE [--set key=value ...]``."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from harken.config import Settings, load_config
from harken.errors import GateError, HarkenError

BAD_INPUT = 2
GATE_FAILED = 3
INTERRUPTED = 130


def run_job(
    job: Callable[..., None],
    schema: type[Settings],
    description: str,
    arguments: Sequence[str] | None = None,
    switches: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    schemas: Mapping[str, type[BaseModel]] | None = None,
    places: Mapping[str, str] | None = None,
    program: str | None = None,
) -> int:
    """Read the configuration, run ``job``; returns the exit code: 0 done, 2 bad input, 3 gate failed, 130 interrupted.

    ``switches`` are flags of this job alone and ``values`` its options with a value, name to help text; ``job`` is
    given each as a keyword argument, and so it is ``places``, which stand on the command line without an option's
    name. ``program`` is what the help calls it. ``schemas`` holds, for options that change what a configuration must
    hold, the schema it is then checked against.
    Only a `HarkenError` is shown without its traceback; anything else is a bug and is shown in full.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    for name, explanation in (places or {}).items():
        parser.add_argument(name, metavar=name.upper(), help=explanation)
    parser.add_argument("--config", required=True, help="YAML file: one full run (see configs/)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one setting",
    )
    for name, explanation in (switches or {}).items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", dest=name, help=explanation)
    for name, explanation in (values or {}).items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", dest=name, help=explanation)
    options = parser.parse_args(arguments)
    names = (*(places or {}), *(switches or {}), *(values or {}))
    chosen: dict[str, Any] = {name: getattr(options, name) for name in names}
    checked = next((found for name, found in (schemas or {}).items() if chosen[name]), schema)
    try:
        job(load_config(options.config, options.overrides, checked), **chosen)
    except KeyboardInterrupt:
        print("interrupted; finished parts are kept and a rerun goes on from there", file=sys.stderr)
        return INTERRUPTED
    except Exception as failure:
        error = find_harken_error(failure)
        if error is None:
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print("[bold red]error:[/] ", end="")
        print(error, file=sys.stderr)
        return GATE_FAILED if isinstance(error, GateError) else BAD_INPUT
    return 0


def find_harken_error(failure: BaseException) -> HarkenError | None:
    """The HarkenError at the root of an exception that Ray may have wrapped several times."""
    for exception in _chain(failure):
        if isinstance(exception, HarkenError):
            return exception
    return None


def _chain(failure: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [failure]
    while pending:
        exception = pending.pop(0)
        if not isinstance(exception, BaseException) or id(exception) in seen:
            continue
        seen.add(id(exception))
        yield exception
        pending += [getattr(exception, "cause", None), exception.__cause__, exception.__context__]
