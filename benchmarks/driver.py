"""The measured program: the label and the speech stage of a configuration, through the jobs' own code.

``python -m benchmarks.driver --config configs/bulk.yaml --stages labels speech --figures out.json``

Beside what the jobs write it leaves what only their process knows: the bytes Ray's object store has spilled to disk.
"""

import argparse
import sys
from pathlib import Path

import ray

from harken.config import load_config
from harken.records import write_json
from harken.settings import PipelineSettings
from jobs.labels import write_labels
from jobs.plan import Plan
from jobs.speech import speak

STAGES = ("labels", "speech")


def run(settings: PipelineSettings, stages: list[str], figures: Path | None) -> None:
    """Bring the stages to completion."""
    plan = Plan(settings)
    if "labels" in stages:
        write_labels(plan)
    if "speech" in stages:
        speak(settings, plan.speech)
    if figures is not None:
        write_json(figures, {"spilled_bytes": spilled_bytes()})


def spilled_bytes() -> int | None:
    """What the object stores of this process's Ray have written to disk so far; None when it has not used Ray."""
    if not ray.is_initialized():
        return None
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    # Without the address Ray looks for any instance on this machine.
    address = ray.get_runtime_context().gcs_address
    spilled: int = get_memory_info_reply(get_state_from_address(address)).store_stats.spilled_bytes_total
    return spilled


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--figures", type=Path, help="JSON file for what the object store spilled")
    options = parser.parse_args()
    run(load_config(options.config, options.overrides, PipelineSettings), options.stages, options.figures)


if __name__ == "__main__":
    sys.exit(main())
