"""A glossary of a few terms made while somebody waits, in this process: each recording is the one that a job makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from actors.enroller import Enroller
from actors.entries import EntryDraft, group_entries
from actors.speaker import Speaker
from actors.speech_rows import RecordingReader
from actors.term_reader import TermReader
from compression.glossary.entry import Enrolment
from compression.glossary.memory import MemoryGlossary
from harken.glossary_settings import RECORDINGS
from harken.glossary_terms import GlossaryTerm, clean_term, spelling_key
from harken.records import Row, fingerprint
from harken.spotting_settings import EngineSettings


@dataclass(frozen=True)
class EnrolledTerms:
    """The terms that can be searched for, None when there are none, and why the others cannot."""

    glossary: MemoryGlossary | None
    failures: Mapping[str, str]


class TermEnroller:
    """Reads, speaks and enrols terms.

    Args:
        enroller: whose models the search uses.
        engines: who speaks the terms of which languages, and how often.
        language: Whisper's code, of terms that name none.
        pronunciations: term to readings.
        acronyms: capital letters are also said one by one.
        seed: of the voices.

    Raises:
        HarkenError: an engine that is not there or a voice that it does not have.
    """

    def __init__(
        self,
        enroller: Enroller,
        engines: Mapping[str, EngineSettings],
        language: str = "zh",
        pronunciations: Mapping[str, Sequence[str]] | None = None,
        acronyms: bool = True,
        seed: int = 0,
    ) -> None:
        self.enroller, self.engines, self.language, self.seed = enroller, engines, language, seed
        self.reader = TermReader(pronunciations or {}, acronyms)
        self.speakers = {
            name: Speaker(engine.speech, engine.speech.voices, {}) for name, engine in self.engines.items()
        }
        self.recordings = RecordingReader(enroller.whisper.window_seconds)

    def enrol_terms(self, terms: Sequence[GlossaryTerm | str]) -> EnrolledTerms:
        """A glossary of terms, each as it is written or with what is known of its sound; equal terms count once.

        Raises:
            HarkenError: a term that is none, such as an empty one.
        """
        drafts = group_entries(self.reader(self._rows(terms)), "request")
        made: list[tuple[EntryDraft, Row]] = []
        voices: dict[str, Callable[[list[Row]], list[Row]]] = {**self.speakers, RECORDINGS: self.recordings}
        for name, actor in voices.items():
            asked = [(draft, row) for draft in drafts for row in self._wanted(name, draft)]
            spoken = actor([row for _, row in asked])
            made += [(draft, row | {"voice": want["voice"]}) for (draft, want), row in zip(asked, spoken, strict=True)]
        enrolments: list[Enrolment] = []
        whys: dict[int, str] = {draft.entry.id: "no engine speaks its language" for draft in drafts}
        outcomes = self.enroller.enrol([row for _, row in made])
        for (draft, row), outcome in zip(made, outcomes, strict=True):
            if isinstance(outcome, str):
                whys[draft.entry.id] = outcome
            else:
                enrolments.append(outcome.of(draft.entry.id, row["voice"]))
        heard = {enrolment.entry_id for enrolment in enrolments}
        entries = [draft.entry for draft in drafts if draft.entry.id in heard]
        known = {text for draft in drafts if draft.entry.id in heard for text in draft.texts}
        failures = {
            text: whys[draft.entry.id]
            for draft in drafts
            if draft.entry.id not in heard
            for text in draft.texts
            if text not in known
        }
        return EnrolledTerms(MemoryGlossary(entries, enrolments) if entries else None, failures)

    def _wanted(self, name: str, draft: EntryDraft) -> list[Row]:
        if name == RECORDINGS:
            return draft.to_read()
        engine = self.engines[name]
        if engine.languages and draft.language not in engine.languages:
            return []
        return draft.to_speak(name, engine.recordings, self.seed)

    def _rows(self, terms: Sequence[GlossaryTerm | str]) -> list[Row]:
        rows: dict[str, Row] = {}
        for given in terms:
            term = given if isinstance(given, GlossaryTerm) else GlossaryTerm(clean_term(given))
            language = term.language or self.language
            identity = fingerprint("term", spelling_key(term.term), language)
            row = {"id": identity, "term": term.term, "category": term.category, "language": language}
            rows.setdefault(identity, row | {"spoken": list(term.spoken), "audio": list(term.audio)})
        return list(rows.values())
