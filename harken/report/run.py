"""How the run went and how to repeat it: training, stages, failures, configuration, provenance."""

from collections.abc import Mapping, Sequence

from harken.report import plots
from harken.report.blocks import (
    Cell,
    Column,
    TableRow,
    details,
    facts,
    nothing,
    section,
    share_bar,
    side_by_side,
    table,
)
from harken.report.data import StageRun, TrainingReport
from harken.report.markup import Content, Markup, element


def training(report: TrainingReport | None) -> Markup:
    """The learning curve and the facts of the fine-tuning."""
    title = "Fine-tuning"
    if report is None:
        return section("training", title, nothing("The fine-tuning stage was not part of this run."))
    curve = plots.learning_curve(report.curve) or nothing("The training recorded no learning curve.")
    return section("training", title, side_by_side(curve, facts(report.facts.items()) if report.facts else None))


def stages(runs: Sequence[StageRun] | None) -> Markup:
    """What every stage took, made and failed at."""
    title = "Stages and failures"
    if not runs:
        return section("stages", title, nothing("The run recorded no stages."))
    longest = max((run.seconds or 0.0 for run in runs), default=0.0)
    rows: list[TableRow] = []
    for run in runs:
        share = (run.seconds or 0.0) / longest if longest else None
        rows.append(
            [
                run.name,
                Cell(duration(run.seconds), run.seconds),
                Cell(share_bar(share, "series-0"), share),
                Cell(_count(run.rows), run.rows),
                Cell(_count(run.failed), run.failed, kind="worse" if run.failed else None),
            ]
        )
    columns = [
        Column("Stage"),
        Column("Time", numeric=True, meaning="what making the rows took, in whichever run that was"),
        Column(""),
        Column("Rows", numeric=True),
        Column("Failed", numeric=True),
    ]
    return section("stages", title, table("Stages in order", columns, rows), _failures(runs))


def _failures(runs: Sequence[StageRun]) -> Markup:
    rows: list[TableRow] = [[run.name, cause, number] for run in runs for cause, number in run.failures.items()]
    if rows:
        columns = [Column("Stage"), Column("Cause"), Column("Rows", numeric=True)]
        return table("Failures by cause", columns, rows)
    uncounted = [run.name for run in runs if run.failed]
    if uncounted:
        return nothing(f"Rows failed in {', '.join(uncounted)}, but their causes were not recorded.")
    return nothing("No row failed in any stage.")


def reproduction(config_yaml: str, provenance: Mapping[str, object]) -> Markup:
    """The resolved configuration and what produced the figures."""
    known = [(name.replace("_", " "), _shown(value)) for name, value in provenance.items()]
    return section(
        "reproduction",
        "Configuration and provenance",
        facts(known) if known else nothing("The run recorded no provenance."),
        details(
            "Resolved configuration",
            element("pre", element("code", config_yaml), tabindex=0, aria_label="Resolved configuration"),
        )
        if config_yaml.strip()
        else nothing("The run recorded no configuration."),
    )


def _shown(value: object) -> Content:
    if isinstance(value, Mapping):
        pairs = [element("li", f"{name} ", element("b", str(inner))) for name, inner in value.items()]
        return element("ul", pairs, class_="versions")
    return element("code", str(value))


def _count(number: int | None) -> str:
    return "n/a" if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``1 min 05 s``, ``2 h 03 min``; 'n/a' when it is unknown."""
    if seconds is None:
        return "n/a"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
