"""The report: one HTML file that opens from a disk, asks the network for nothing and trusts no text."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from harken.report import biasing, corpus, listening, portraits, results, run
from harken.report.audio import Shelf
from harken.report.data import ReportData
from harken.report.markup import Markup, element, join
from harken.report.transcript import Highlighter

AUDIO_BUDGET = 3_200_000
"""Bytes of recordings in one page (a third more as base64), so that the file stays under 6 MB."""

_FOLDER = Path(__file__).parent

Chapters = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""``((chapter, ((section's id, its title), ...)), ...)``."""

_CHAPTERS: Chapters = (
    (
        "Results",
        (("summary", "Summary"), ("metrics", "Metrics"), ("general", "General speech"), ("biasing", "Biasing")),
    ),
    ("Detail", (("keywords", "Keywords"), ("spread", "Error spread"), ("utterances", "Utterances"))),
    ("Use", (("portraits", "Portraits"),)),
    ("Training data", (("labels", "Labels"), ("speech", "Synthetic speech"), ("judge", "Judge"))),
    ("Run", (("training", "Fine-tuning"), ("stages", "Stages and failures"), ("reproduction", "Configuration"))),
)


def render_report(data: ReportData) -> str:
    """The whole report as HTML text, to be written as UTF-8.

    Every text of ``data`` is inert: it is escaped, and a content security policy lets run only the page's own
    script (sorting and filtering; the page is complete without it).
    """
    highlighter = Highlighter.of(data)
    shelf = Shelf(AUDIO_BUDGET)
    return assemble(data.title, data.subtitle, _CHAPTERS, _sections(data, highlighter, shelf))


def assemble(title: str, subtitle: str, chapters: Chapters, sections: Markup) -> str:
    """A whole page around its sections, with the contents and the policy; the first section is `summary`."""
    style = _asset("page.css")
    script = _asset("page.js")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · Harken"),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )
    below = element("p", subtitle, class_="subtitle") if subtitle else None
    body = element(
        "body",
        element("a", "Skip to the results", href="#summary", class_="skip"),
        element("header", element("div", _mark(), "Harken", class_="brand"), element("h1", title), below),
        _contents(chapters),
        element("main", sections),
        element("script", script),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _sections(data: ReportData, highlighter: Highlighter, shelf: Shelf) -> Markup:
    return join(
        results.summary(data),
        results.metrics(data),
        results.general(data),
        biasing.biasing(data.biasing),
        results.keywords(data),
        results.spread(data.utterances),
        listening.utterances(data, highlighter, shelf),
        portraits.portraits(data.portraits, highlighter),
        corpus.labels(data.labels, highlighter, shelf),
        corpus.speech(data.speech),
        corpus.judge(data, highlighter),
        run.training(data.training),
        run.stages(data.stages),
        run.reproduction(data.config_yaml, data.provenance),
    )


def _contents(chapters: Chapters) -> Markup:
    listed = [
        element(
            "li",
            element("span", chapter, class_="chapter"),
            element("ul", [element("li", element("a", title, href=f"#{identity}")) for identity, title in sections]),
        )
        for chapter, sections in chapters
    ]
    return element("nav", element("ul", listed), aria_label="Contents")


def _mark() -> Markup:
    bars = [
        element("rect", x=x, y=12 - height / 2, width=2.6, height=height, rx=1.3)
        for x, height in ((1, 6), (6, 14), (11, 22), (16, 12), (21, 5))
    ]
    return element("svg", bars, viewBox="0 0 24.6 24", class_="logo", aria_hidden="true")


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "media-src data:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(asset: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(asset.encode()).digest()).decode('ascii')}'"


def _asset(name: str) -> Markup:
    # Our own files: a style or a script holds no closing tag of itself, so it passes as it is.
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))
