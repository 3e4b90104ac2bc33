"""Labels and transcripts as marked-up text: keywords in their category's colour, errors character by character."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from harken.alignment import align
from harken.report.data import HeardTerm, Hypothesis, ReportData, Span, Utterance
from harken.report.markup import Content, Markup, element, join
from harken.text import bare, script

_COLOURS = 8


@dataclass(frozen=True)
class Highlighter:
    """Renders texts of one page: ``kinds`` gives every keyword category its colour class."""

    language: str
    kinds: Mapping[str, str]

    @classmethod
    def of(cls, data: ReportData) -> "Highlighter":
        """Colours for every category that the report mentions, in order of appearance."""
        return cls.coloured(data.language, _categories(data))

    @classmethod
    def coloured(cls, language: str, categories: Iterable[str]) -> "Highlighter":
        """Colours for these categories, in order of appearance."""
        kinds = {category: f"category-{index % _COLOURS}" for index, category in enumerate(dict.fromkeys(categories))}
        return cls(language, kinds)

    def phrase(self, *contents: Content, kind: str = "") -> Markup:
        """Text of the recordings' language, kept apart from the direction of what surrounds it."""
        return element("bdi", *contents, lang=self.language, class_=f"speech {kind}".strip())

    def keywords(self, text: str, spans: Sequence[Span]) -> Markup:
        """``text`` with its keyword mentions marked; spans that overlap an earlier one are left out."""
        parts: list[Content] = []
        place = 0
        for span in sorted(spans, key=lambda span: (span.start, -span.end)):
            if place <= span.start < span.end <= len(text):
                parts.append(text[place : span.start])
                parts.append(self._marked(text[span.start : span.end], span.category))
                place = span.end
        return self.phrase(parts, text[place:])

    def chip(self, category: str) -> Markup:
        """A category's name in its colour."""
        return element("span", category, class_=f"chip {self.kinds.get(category, '')}".strip())

    def hits(self, utterance: Utterance, hypothesis: Hypothesis) -> Markup | None:
        """Each keyword of the reference with a tick or a cross, also readable without colour."""
        verdicts = [
            element(
                "li",
                element("span", "✓" if hit else "✗", aria_hidden="true"),
                " ",
                self.phrase(utterance.reference[span.start : span.end]),
                element("span", " heard" if hit else " missed", class_="unseen"),
                class_="hit" if hit else "miss",
                title=f"{span.category}: {'heard' if hit else 'missed'}",
            )
            for span, hit in zip(utterance.spans, hypothesis.hits, strict=False)
        ]
        return element("ul", verdicts, class_="hits") if verdicts else None

    def errors(self, reference: str, hypothesis: str, terms: Sequence[HeardTerm] = ()) -> Markup:
        """The hypothesis with every differing character marked; missing ones are struck through.

        The ``terms`` that a glossary put into it are marked as well, each with its probability and why.
        """
        if not hypothesis.strip():
            return self.phrase("(nothing)", kind="nothing")
        pieces = differences(reference, hypothesis)
        shown: list[Content] = []
        for term, inside in _by_term(pieces, _applied(hypothesis, terms)):
            marked = [_marked_error(piece) for piece in inside]
            shown.append(element("mark", marked, class_="biased", title=_reason(term)) if term else marked)
        return self.phrase(shown)

    def terms(self, terms: Sequence[HeardTerm]) -> Markup | None:
        """What was detected in an utterance, in the order of its times: how sure, what became of it and why."""
        listed = [
            element(
                "li",
                self.phrase(term.term),
                element("b", f" {term.probability:.2f} {term.outcome} "),
                element("span", f"{term.begins:.2f}–{term.ends:.2f} s; {term.why}", class_="why"),
                class_=term.outcome.replace(" ", "-"),
            )
            for term in sorted(terms, key=lambda term: (term.begins, term.ends, term.term))
        ]
        return element("ul", listed, class_="terms") if listed else None

    def _marked(self, term: str, category: str) -> Markup:
        return element("mark", term, class_=f"keyword {self.kinds.get(category, '')}".strip(), title=category)


@dataclass(frozen=True)
class Piece:
    """A run of characters: 'same', 'wrong' (``expected`` was said), 'extra' or 'missing' (``text`` was said)."""

    kind: str
    text: str
    expected: str = ""


def differences(reference: str, hypothesis: str) -> list[Piece]:
    """Compare two transcripts by the characters and the alignment that the character error rate counts."""
    # A composed accent is one character to look at and to compare.
    reference, hypothesis = unicodedata.normalize("NFC", reference), unicodedata.normalize("NFC", hypothesis)
    said, heard = _counted(reference), _counted(hypothesis)
    fates: dict[int, tuple[str, str]] = {}
    missing: dict[int, str] = {}
    units = [unit for _, unit in said], [unit for _, unit in heard]
    scripts = [script(unit) for unit in units[0]], [script(unit) for unit in units[1]]
    for step in align(*units, classes=scripts):
        if step.kind == "delete":
            # Shown where the next heard character stands, or at the end.
            place = heard[step.hypothesis][0] if step.hypothesis < len(heard) else len(hypothesis)
            missing[place] = missing.get(place, "") + reference[said[step.reference][0]]
        elif step.kind == "insert":
            fates.setdefault(heard[step.hypothesis][0], ("extra", ""))
        elif step.kind == "substitute":
            fates[heard[step.hypothesis][0]] = ("wrong", reference[said[step.reference][0]])
    return _runs(_characters(hypothesis, fates, missing))


def _characters(hypothesis: str, fates: Mapping[int, tuple[str, str]], missing: Mapping[int, str]) -> Iterable[Piece]:
    for place, character in enumerate(hypothesis):
        if place in missing:
            yield Piece("missing", missing[place])
        kind, expected = fates.get(place, ("same", ""))
        yield Piece(kind, character, expected)
    if len(hypothesis) in missing:
        yield Piece("missing", missing[len(hypothesis)])


def _runs(pieces: Iterable[Piece]) -> list[Piece]:
    merged = []
    for kind, group in groupby(pieces, key=lambda piece: piece.kind):
        run = list(group)
        merged.append(Piece(kind, "".join(p.text for p in run), "".join(p.expected for p in run)))
    return merged


def _counted(text: str) -> list[tuple[int, str]]:
    return [(place, unit) for place, character in enumerate(text) for unit in _units(character)]


@cache
def _units(character: str) -> str:
    return bare(character)


def _applied(hypothesis: str, terms: Sequence[HeardTerm]) -> list[HeardTerm]:
    """The terms that stand in the text because of a glossary, by place; a text in another form has other places."""
    if unicodedata.normalize("NFC", hypothesis) != hypothesis:
        return []
    placed = [term for term in terms if term.start is not None and term.end is not None]
    return sorted(placed, key=lambda term: term.start or 0)


def _by_term(pieces: Sequence[Piece], terms: Sequence[HeardTerm]) -> Iterator[tuple[HeardTerm | None, list[Piece]]]:
    """The pieces, cut where terms begin and end: runs inside of a term and runs outside of all."""
    edges = sorted({edge for term in terms for edge in (term.start, term.end) if edge is not None})
    place, cut = 0, []
    for piece in pieces:
        if piece.kind == "missing":
            cut.append((place, piece))
            continue
        first = 0
        for edge in [*(edge - place for edge in edges if place < edge < place + len(piece.text)), len(piece.text)]:
            cut.append((place + first, Piece(piece.kind, piece.text[first:edge], piece.expected[first:edge])))
            first = edge
        place += len(piece.text)
    for term, run in groupby(cut, key=lambda one: _term_at(one[0], one[1].kind == "missing", terms)):
        yield term, [piece for _, piece in run]


def _term_at(place: int, missing: bool, terms: Sequence[HeardTerm]) -> HeardTerm | None:
    """The term that the character at a place belongs to; what is missing before a term's first is outside of it."""
    for term in terms:
        assert term.start is not None
        assert term.end is not None
        if term.start + missing <= place < term.end:
            return term
    return None


def _reason(term: HeardTerm) -> str:
    return f"from the glossary, probability {term.probability:.2f}: {term.why}"


def _marked_error(piece: Piece) -> Markup:
    if piece.kind == "wrong":
        return element("mark", piece.text, class_="wrong", title=f"instead of: {piece.expected}")
    if piece.kind == "extra":
        return element("ins", piece.text, title="not said")
    if piece.kind == "missing":
        return element("del", piece.text, title="missing")
    return join(piece.text)


def _categories(data: ReportData) -> Iterable[str]:
    if data.labels:
        yield from (coverage.category for coverage in data.labels.coverage)
    yield from (recall.category for recall in data.recalls or ())
    yield from (found.category for found in (data.judge.retention if data.judge else ()))
    yield from (span.category for row in (data.labels.rows if data.labels else ()) for span in row.spans)
    yield from (span.category for utterance in data.utterances or () for span in utterance.spans)
    yield from (found.category for found in (data.portraits.categories if data.portraits else ()))
