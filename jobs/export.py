"""Write the speech of a run as a dataset for other tools: ``python -m jobs.export --config configs/demo.yaml``.

Rows whose voice may not be used commercially, or is not known to, are left out and counted; say
``--set export.use=research`` to have them.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harken.config import dump_yaml
from harken.dataset.card import Contents, card
from harken.dataset.formats import open_writers
from harken.dataset.utterance import objection, utterance
from harken.errors import HarkenError
from harken.keywords import KeywordMatcher, load_keywords
from harken.provenance import provenance
from harken.records import FAILED, Row, read_parquet, write_json, write_text
from harken.settings import PipelineSettings
from harken.stages import cause
from jobs.cli import run_job
from jobs.plan import Plan, Speech, require
from jobs.progress import note


def export(plan: Plan) -> Path:
    """Write the dataset; returns its folder, which appears when everything in it is complete.

    Raises:
        HarkenError: a stage is not complete, the folder is there already, the run has no such set, or no row may
            be exported.
    """
    settings = plan.settings
    options = settings.export
    folder = options.folder or settings.run.output / "export"
    sets = {name: _set(plan, name) for name in options.sets}
    stages = [speech.stage for speech in sets.values()]
    require([*stages, plan.verdicts] if _judged(plan) else stages)
    if folder.exists():
        raise HarkenError("export.folder", str(folder), "It is there already: delete it or name another.")
    keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
    matcher = KeywordMatcher(keywords)
    contents = Contents()
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, speech in sets.items():
        _write_set(plan, name, speech, unfinished, contents, matcher)
    left_out = {name: dict(reasons.most_common()) for name, reasons in contents.left_out.items()}
    if not contents.rows:
        shutil.rmtree(unfinished)
        remedy = f"No row may be exported: {left_out}. For another use say --set export.use=research."
        raise HarkenError("export.use", options.use, remedy)
    made_by, config = provenance(), dump_yaml(settings)
    title = options.title or f"Speech of {settings.run.output.name}"
    audiofolder = "audiofolder" in options.formats
    language = settings.decoding.language
    text = card(title, contents, matcher, language, options.use, config, made_by, audiofolder)
    write_text(unfinished / "README.md", text)
    record = {"rows": dict(contents.rows), "left_out": left_out, "provenance": made_by}
    write_json(unfinished / "export.json", record)
    unfinished.rename(folder)
    _tell(folder, contents, left_out)
    return folder


def _set(plan: Plan, name: str) -> Speech:
    speech = {"synthetic": plan.speech, "replay": plan.replay, "domain": plan.domain, "general": plan.general}[name]
    if speech is None:
        raise HarkenError("export.sets", name, "The run has no such set: leave it out.")
    return speech


def _judged(plan: Plan) -> bool:
    options = plan.settings.export
    return options.rows == "kept" and "synthetic" in options.sets


def _write_set(
    plan: Plan, name: str, speech: Speech, folder: Path, contents: Contents, matcher: KeywordMatcher
) -> None:
    options, language = plan.settings.export, plan.settings.decoding.language
    writers = open_writers(folder, name, options.formats, options.rows_per_shard)
    for row, reason in _rows(plan, name, speech):
        if reason is None:
            item = utterance(row, name, language)
            reason = objection(item, options.use)
        if reason is not None:
            contents.leave_out(name, reason)
            continue
        contents.add(item, matcher)
        for writer in writers:
            writer.add(item)
    for writer in writers:
        writer.close()


def _rows(plan: Plan, name: str, speech: Speech) -> Iterator[tuple[Row, str | None]]:
    """Every row of a set, one part in memory at a time, with the cause for which it is left out."""
    judged = name == "synthetic" and _judged(plan)
    for shard, part in enumerate(speech.stage.parts()):
        verdicts: dict[str, dict[str, Any]] = {}
        if judged:
            verdicts = {row["id"]: row for row in read_parquet(plan.verdicts.part(shard), ["id", "verdict", "reason"])}
        for row in read_parquet(part):
            if row["status"] == FAILED:
                yield row, f"failed: {cause(row['error'])}"
            elif judged and verdicts[row["id"]]["reason"]:
                yield row, f"rejected: {cause(verdicts[row['id']]['reason'])}"
            else:
                yield row, None


def _tell(folder: Path, contents: Contents, left_out: dict[str, dict[str, int]]) -> None:
    hours = sum(contents.seconds.values()) / 3600
    note(f"export: {contents.rows.total()} utterances, {hours:.2f} hours in {folder}")
    for name, reasons in left_out.items():
        for reason, count in reasons.items():
            note(f"export: {count} rows of {name} left out: {reason}")


def main(settings: PipelineSettings) -> None:
    """Export what the pipeline of this configuration made."""
    export(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
