"""Making the portraits of sets of transcripts: what is known, who looks for it, and one resumable stage a set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.ledger import FOLDER, account
from actors.portraitist import PORTRAIT_SCHEMA, list_portraitist
from actors.pronunciation import load_pronunciations
from harken.errors import HarkenError
from harken.portrait_settings import PortraitSettings
from harken.portraits.known import known_labels
from harken.records import FAILED, read_parquet, write_json
from harken.settings import PipelineSettings, TranscriptSettings
from harken.sources import Source
from harken.stages import Stage
from jobs.budget import open_allowance
from jobs.flow import run_stage
from jobs.progress import note

Settings = PipelineSettings | TranscriptSettings


@dataclass(frozen=True)
class Transcripts:
    """A set of transcripts: the stage its portraits go to, where its rows come from, and the column of the text.

    ``correct`` says that nothing in it is misheard: its labels are looked up as they are spelled.
    """

    stage: Stage
    source: Source
    column: str = "text"
    correct: bool = False


def extract(settings: Settings, sets: Sequence[Transcripts]) -> None:
    """Bring the portraits of every set to completion.

    Raises:
        HarkenError: what `known_labels` raises, a broken transcript, an LLM that refused, or a spend cap reached.
    """
    options = _options(settings)
    vocabulary, catalogue = known_labels(settings.keywords, options)
    misheard = [transcripts.stage for transcripts in sets if not transcripts.correct]
    factory, extraction = _extractor(settings, misheard)
    try:
        for transcripts in sets:
            arguments: dict[str, Any] = {
                "vocabulary": vocabulary,
                "catalogue": catalogue,
                "options": {"suggestions": options.suggestions, "text": transcripts.column},
            }
            make: Callable[..., Any] = list_portraitist
            if not transcripts.correct:
                make = factory
                arguments |= extraction
                if options.extractor == "llm":
                    arguments["ledger"] = transcripts.stage.absolute().directory / FOLDER
            record = run_stage(
                settings,
                transcripts.stage,
                transcripts.source,
                make,
                arguments,
                PORTRAIT_SCHEMA,
                workers=options.workers,
            )
            _check_paid(options, record)
    finally:
        if options.extractor == "llm":
            _tell_accounts(misheard)


def forget_failed(stages: Sequence[Stage]) -> int:
    """Delete the parts that hold failed rows, so that those are made again; returns how many rows failed.

    What an LLM has answered is in the ledger and is not asked again.
    """
    count = 0
    for stage in stages:
        for part in stage.parts():
            failed = sum(row["status"] == FAILED for row in read_parquet(part, ["status"])) if part.exists() else 0
            if failed:
                stage.marker.unlink(missing_ok=True)
                part.unlink()
                count += failed
    note(f"portraits: {count} failed rows to read again")
    return count


def _extractor(settings: Settings, stages: Sequence[Stage]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Who looks for labels in what was heard, and with which arguments."""
    options, keywords = _options(settings), settings.keywords
    if options.extractor == "llm":
        from actors.portrait_llm import llm_portraitist

        assert options.llm is not None
        folders = [stage.directory for stage in stages]
        allowance = open_allowance(settings.cluster, options.llm.limits, options.workers, folders)
        return llm_portraitist, {"llm": options.llm, "allowance": allowance}
    readings = load_pronunciations(keywords.pronunciations) if keywords.pronunciations else {}
    found_by_sound = {
        "categories": keywords.categories,
        "readings": readings,
        "distance": options.sound_distance,
    }
    return list_portraitist, found_by_sound


def _check_paid(options: PortraitSettings, record: dict[str, Any]) -> None:
    unpaid = record["failures"].get("spend cap", 0)
    if unpaid and options.llm and not options.llm.limits.accept_partial:
        remedy = (
            f"It stopped the reading with {unpaid} of {record['rows']} transcripts still to be asked about; answers "
            "are kept. Raise it and run python -m jobs.portraits with --retry-failed, or set "
            "portraits.llm.limits.accept_partial to true to go on without them."
        )
        raise HarkenError("portraits.llm.limits.spend_cap", options.llm.limits.spend_cap, remedy)


def _tell_accounts(stages: Sequence[Stage]) -> None:
    for stage in stages:
        sums = account(stage.directory)
        if sums.requests:
            write_json(stage.directory / "ledger.json", sums.record())
            note(
                f"{stage.name}: {sums.requests} requests ({sums.retries} retries), "
                f"{sums.tokens_in} + {sums.tokens_out} tokens, cost {sums.cost:.4f} (at most {sums.cost_at_most:.4f})"
            )


def _options(settings: Settings) -> PortraitSettings:
    assert settings.portraits is not None
    return settings.portraits
