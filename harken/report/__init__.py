"""What a run tells people: a self-contained HTML report and a console table. Presentation only."""

from harken.report.console import print_table
from harken.report.data import (
    CategoryCoverage,
    CategoryRecall,
    CategoryRetention,
    CurvePoint,
    GeneralCheck,
    Hypothesis,
    Interval,
    JudgeReport,
    LabelReport,
    LabelRow,
    ReportData,
    Span,
    SpeechReport,
    StageRun,
    Systems,
    TrainingReport,
    Utterance,
)
from harken.report.page import AUDIO_BUDGET, render_report

__all__ = [
    "AUDIO_BUDGET",
    "CategoryCoverage",
    "CategoryRecall",
    "CategoryRetention",
    "CurvePoint",
    "GeneralCheck",
    "Hypothesis",
    "Interval",
    "JudgeReport",
    "LabelReport",
    "LabelRow",
    "ReportData",
    "Span",
    "SpeechReport",
    "StageRun",
    "Systems",
    "TrainingReport",
    "Utterance",
    "print_table",
    "render_report",
]
