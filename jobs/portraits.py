"""Customer portraits: ``python -m jobs.portraits --config configs/demo.yaml`` (first paper, section 3, steps 3 to 5).

Finds the labels that transcripts mention, suggests products with the labels that caused them, and compares the
systems of a run by the F1 of their labels. ``--transcripts FILE`` reads any transcripts instead (JSONL with id and
text); its configuration needs the sections run, keywords and portraits only, as in configs/portraits.yaml. It leaves
portraits-FILE.parquet and the self-contained page portraits-FILE.html. ``--references FILE`` tells how right the
labels are: JSONL of what was said, for all of the transcripts or some.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harken.digests import file_digest
from harken.errors import HarkenError
from harken.records import Row, read_parquet, replace_atomically, write_text
from harken.report.console import print_customers, print_portrait_rates
from harken.settings import PipelineSettings, TranscriptSettings
from harken.sources import Manifest, Parts
from jobs.cli import run_job
from jobs.plan import Plan, portrait_stage, require
from jobs.progress import console, note
from jobs.transcripts import read_texts, require_ids

REFERENCE = "reference"


def draw_portraits(plan: Plan) -> dict[str, Any]:
    """Bring the portraits of a run to completion; returns the record of their stage (see `jobs.portrait_scores`).

    Raises:
        HarkenError: there is no section `portraits`, an earlier stage is not complete, the label list or the product
            table is broken, or an LLM refused or was stopped.
    """
    if plan.portraits is None:
        raise HarkenError("section portraits", None, "The configuration has none: see configs/demo.yaml.")
    if not plan.portraits.complete():
        from jobs.flow import exclusive
        from jobs.portrait_scores import write_portraits

        _extract(plan)
        with exclusive(plan.portraits):
            write_portraits(plan)
    table = plan.settings.run.output / "portraits.parquet"
    replace_atomically(table, lambda temporary: shutil.copyfile(plan.portraits.part(0), temporary))
    return plan.portraits.record()


def portray(settings: TranscriptSettings, transcripts: Path, retry_failed: bool = False) -> Path:
    """Draw the portraits of any transcripts; returns the Parquet file with one row each.

    Raises:
        HarkenError: the transcripts, the label list or the product table are missing or broken, or an LLM refused.
    """
    from jobs.portrait_extraction import Transcripts, extract, forget_failed

    source = Manifest(transcripts, settings.portraits.rows_per_shard)
    stage = portrait_stage(settings, "transcripts", file_digest(transcripts), source.shards())
    if retry_failed:
        forget_failed([stage])
    extract(settings, [Transcripts(stage, source)])
    path = settings.run.output / f"portraits-{transcripts.stem}.parquet"
    _join(stage.parts(), path)
    return path


def score(settings: TranscriptSettings, rows: Sequence[Row], references: Path) -> dict[str, Any]:
    """Hold the portraits ``rows`` of given transcripts against those of what was said.

    Raises:
        HarkenError: the references are broken or state a label that is not known.
    """
    from jobs.portrait_extraction import Transcripts, extract
    from jobs.portrait_scores import score_transcripts

    source = Manifest(references, settings.portraits.rows_per_shard)
    stage = portrait_stage(settings, REFERENCE, file_digest(references), source.shards())
    extract(settings, [Transcripts(stage, source, correct=True)])
    return score_transcripts(settings, rows, references, list(stage.rows()))


def _portray_and_show(
    settings: TranscriptSettings, transcripts: Path, references: Path | None, retry_failed: bool
) -> None:
    from harken.report.customers import render_customers
    from jobs.customers import customer_report

    if references:
        # Found out before an LLM is paid.
        said = read_texts(references)
        require_ids(transcripts, read_texts(transcripts), "transcript", references, said)
    path = portray(settings, transcripts, retry_failed)
    rows = read_parquet(path)
    figures = score(settings, rows, references) if references else None
    page = path.with_suffix(".html")
    write_text(page, render_customers(customer_report(settings, transcripts, rows, figures)))
    if figures:
        print_portrait_rates(figures, console)
    print_customers(rows, console)
    note(f"portraits: {path}")
    note(f"page: {page}")


def _extract(plan: Plan) -> None:
    from jobs.portrait_extraction import Transcripts, extract

    domain = plan.domain.stage
    heard = {system: plan.hypotheses(plan.domain, system) for system in plan.systems}
    require([domain, *heard.values()])
    columns = ["id", "status", "error"]
    sets = [Transcripts(plan.portraits_of(REFERENCE), Parts(domain.parts(), [*columns, "text"]), correct=True)]
    for system, stage in heard.items():
        source = Parts(stage.parts(), [*columns, "hypothesis"])
        sets.append(Transcripts(plan.portraits_of(system), source, column="hypothesis"))
    extract(plan.settings, sets)


def _retry(plan: Plan) -> None:
    from jobs.portrait_extraction import forget_failed

    assert plan.portraits is not None
    if forget_failed([plan.portraits_of(system) for system in plan.systems]):
        for later in (plan.portraits, plan.evaluate):
            later.marker.unlink(missing_ok=True)


def _join(parts: list[Path], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.read_table(part) for part in parts])
    replace_atomically(path, lambda temporary: pq.write_table(table, temporary))


def main(
    settings: PipelineSettings | TranscriptSettings,
    transcripts: str | None = None,
    references: str | None = None,
    retry_failed: bool = False,
) -> None:
    """Draw the portraits of a run, or of the given transcripts."""
    if isinstance(settings, TranscriptSettings):
        assert transcripts is not None
        _portray_and_show(settings, Path(transcripts), Path(references) if references else None, retry_failed)
        return
    if references:
        raise HarkenError("--references", references, "They belong to --transcripts: a run has those of its test set.")
    plan = Plan(settings)
    if retry_failed and plan.portraits:
        _retry(plan)
    record = draw_portraits(plan)
    print_portrait_rates(record, console)
    assert plan.portraits is not None
    print_customers([row for row in plan.portraits.rows() if row["system"] == plan.systems[-1]], console)
    note(f"portraits: {settings.run.output / 'portraits.parquet'}")
    if not plan.evaluate.complete():
        note("report: python -m jobs.evaluate (or jobs.pipeline) puts them into it")


SWITCHES = {"retry_failed": "read the transcripts again that an LLM failed on, and no others"}
VALUES = {
    "transcripts": "read this JSONL of transcripts (id, text) instead of a run's",
    "references": "JSONL of what was said in some or all of them (id, text, perhaps portrait and refused)",
}

if __name__ == "__main__":
    sys.exit(
        run_job(
            main,
            PipelineSettings,
            __doc__ or "",
            switches=SWITCHES,
            values=VALUES,
            schemas={"transcripts": TranscriptSettings},
        )
    )
