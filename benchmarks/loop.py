"""The simplest program that speaks a list of texts: a loop over the synthesizer, in plain processes.

``python -m benchmarks.loop --config FILE --workers 2 --output FOLDER`` speaks the good labels of a run with the same
backend, voices, texts, seeds and encoding as its speech stage, and writes a FLAC file a text. It resumes nothing,
survives nothing, checks nothing and keeps no record: what it takes less than the stage is what all of that costs.
"""

import argparse
import json
import multiprocessing
import pickle
import sys
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from actors.pronunciation import load_pronunciations
from actors.speaker import Speaker
from actors.tts.backends import build_synthesizer
from actors.tts.interface import SpeechRequest
from benchmarks.rates import Commit
from harken.audio import SAMPLE_RATE, encode_flac, resample
from harken.config import load_config
from harken.records import OK
from harken.settings import PipelineSettings
from jobs.plan import Plan

REQUESTS = "requests.pickle"


def prepare(settings: PipelineSettings, path: Path) -> None:
    """Write what the speech stage asks its backend for, shard by shard, so that the loop finds it ready."""
    plan = Plan(settings)
    lexicon = settings.keywords.pronunciations
    speaker = Speaker(settings.speech, settings.speech.voices, load_pronunciations(lexicon) if lexicon else {})
    source = plan.speech.source
    shards = [
        [speaker.request(row) for row in source.rows(shard) if row["status"] == OK] for shard in range(source.shards())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(shards))


def run(settings: PipelineSettings, requests: Path, output: Path, workers: int) -> None:
    """Speak all shards in ``workers`` processes."""
    output.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    following = context.Value("i", 0)
    processes = [context.Process(target=work, args=(settings, requests, output, following)) for _ in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"a process of the loop ended with {[process.exitcode for process in processes]}")


def work(settings: PipelineSettings, requests: Path, output: Path, following: "Synchronized[int]") -> None:
    """One process: take the next shard until there is none."""
    shards: list[list[SpeechRequest]] = pickle.loads(requests.read_bytes())
    synthesizer = build_synthesizer(settings.speech)
    while True:
        with following.get_lock():
            shard = following.value
            following.value += 1
        if shard >= len(shards):
            return
        for request in shards[shard]:
            result = synthesizer.synthesize([request])[0]
            assert result.wave is not None, result.error
            wave = resample(result.wave, result.sample_rate, SAMPLE_RATE)
            (output / f"{request.id}.flac").write_bytes(encode_flac(wave, SAMPLE_RATE))
        done = {"time": time.time(), "rows": len(shards[shard])}
        (output / f"shard-{shard:05d}.json").write_text(json.dumps(done), encoding="utf-8")


def commits(output: Path) -> list[Commit]:
    """When the shards of a loop were done."""
    return [Commit(**json.loads(done.read_text(encoding="utf-8"))) for done in output.glob("shard-*.json")]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--requests", type=Path, required=True, help="what `prepare` wrote")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    settings = load_config(options.config, options.overrides, PipelineSettings)
    run(settings, options.requests, options.output, options.workers)


if __name__ == "__main__":
    sys.exit(main())
