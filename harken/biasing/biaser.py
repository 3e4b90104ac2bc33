"""CB-Whisper on windows that are encoded once: unbiased and biased decoding, guards, one transcript.

Contextual biasing by a prompt of detected terms is CB-Whisper's; that the biased text is merged into the unbiased one
by an alignment is the second paper's. Here a span is merged only if time, sound and log-probability agree, so the two
other mechanisms, which need no model that follows prompts, can propose spans as well.
"""

from collections.abc import Sequence

from transformers.modeling_outputs import BaseModelOutput

from harken.biasing import guards
from harken.biasing.candidates import (
    Candidate,
    Heard,
    Sounds,
    biased_spans,
    mentions_of,
    merged,
    overlap,
    spoken_form,
    term_matcher,
    time_spans,
)
from harken.biasing.confidence import with_confidence
from harken.biasing.cross_states import CrossStates
from harken.biasing.decoding import Boost, DecodingRow, decode_rows
from harken.biasing.editing import splice, units_within
from harken.biasing.merge import merge
from harken.biasing.options import GREEDY, DecodingOptions
from harken.biasing.prompt import prompt_tokens
from harken.biasing.proposals import Proposals
from harken.biasing.scoring import score_texts
from harken.biasing.settings import BiasingSettings
from harken.biasing.transcript import BiasedTranscript, spread
from harken.detection import Detection
from harken.forced_alignment import align_encoded
from harken.unit_times import UnitTime
from harken.whisper import Whisper


class Biaser:
    """Transcribes encoded windows with the terms that were detected in them.

    Args:
        sounds: tells how alike term and words sound, in the language that is spoken.
        settings: mechanisms and guards.
    """

    def __init__(self, whisper: Whisper, sounds: Sounds, settings: BiasingSettings | None = None) -> None:
        self.whisper = whisper
        self.sounds = sounds
        self.settings = settings or BiasingSettings()

    def transcribe(
        self,
        encoded: BaseModelOutput,
        seconds: Sequence[float],
        detections: Sequence[Sequence[Detection]],
        language: str = "zh",
        max_new_tokens: int = 128,
        options: Sequence[DecodingOptions] = (),
        drafts: Sequence[Proposals] = (),
    ) -> list[BiasedTranscript]:
        """One transcript per window.

        Args:
            encoded: what `Whisper.encode` made of the windows: (windows, frames, width).
            seconds: of audio in each window; the rest is padding.
            detections: of each window, in seconds from its beginning; none: the text stays as the model writes it.
            language: Whisper's code, which all windows share.
            max_new_tokens: per window; a prompt may leave room for fewer.
            options: one per window; none: no prompt, the best tokens.
            drafts: what `propose` made of the same windows without detections, from which biasing goes on; none: the
                unbiased text is written in one batch with the biased ones.

        Raises:
            HarkenError: the model does not know the language.
        """
        found = self.propose(encoded, seconds, detections, language, max_new_tokens, options, drafts)
        return [self.transcript(window) for window in found]

    def transcript(self, window: Proposals) -> BiasedTranscript:
        """The transcript of a window for which all is proposed."""
        return with_confidence(merge(window), window, self.whisper)

    def propose(
        self,
        encoded: BaseModelOutput,
        seconds: Sequence[float],
        detections: Sequence[Sequence[Detection]],
        language: str = "zh",
        max_new_tokens: int = 128,
        options: Sequence[DecodingOptions] = (),
        drafts: Sequence[Proposals] = (),
    ) -> list[Proposals]:
        """All of `transcribe` but the decisions, which `merge` takes."""
        if not seconds:
            return []
        states = CrossStates(self.whisper, encoded)
        given = list(options) or [GREEDY] * len(seconds)
        windows = self._decode(states, seconds, detections, language, max_new_tokens, given, drafts)
        if drafts:
            _continue(windows, drafts)
        else:
            self._align(windows, encoded, seconds, language)
        texts = [
            text for one in windows if one.shortlist for text in (one.heard.text, *map(spoken_form, one.looked_at))
        ]
        self.sounds.learn(texts)
        for window in windows:
            self._find(window)
        self._assess(windows, states, language)
        return windows

    def _decode(
        self,
        states: CrossStates,
        seconds: Sequence[float],
        detections: Sequence[Sequence[Detection]],
        language: str,
        max_new_tokens: int,
        options: Sequence[DecodingOptions],
        drafts: Sequence[Proposals],
    ) -> list[Proposals]:
        settings = self.settings
        shortlists = [guards.shortlist(found, settings) for found in detections]
        before = [tuple(prompt_tokens(self.whisper, (), settings, one.prompt)) for one in options]
        unbiased = 0 if drafts else len(seconds)
        rows = [DecodingRow(index, before[index], options=options[index]) for index in range(unbiased)]
        helped: list[str] = []
        for index, (shortlist, _) in enumerate(shortlists):
            terms = tuple(detections[index][place] for place in shortlist)
            given = options[index]
            prompt = tuple(prompt_tokens(self.whisper, terms if settings.prompt else (), settings, given.prompt))
            if prompt != before[index]:
                rows.append(DecodingRow(index, prompt, options=given))
                helped.append("prompt")
            if terms and settings.boost:
                rows.append(DecodingRow(index, before[index], terms, given))
                helped.append("boost")
        boost = Boost(settings.boost_weight, settings.slack)
        decoded = decode_rows(self.whisper, states, rows, seconds, boost, language, max_new_tokens) if rows else []
        written = [draft.hypothesis for draft in drafts] or decoded[:unbiased]
        windows = [
            Proposals(found, hypothesis, Heard(hypothesis.text, ()), shortlist=places, refused=refused)
            for found, hypothesis, (places, refused) in zip(detections, written, shortlists, strict=True)
        ]
        for row, name, hypothesis in zip(rows[unbiased:], helped, decoded[unbiased:], strict=True):
            windows[row.window].biased[name] = hypothesis.text
        return windows

    def _align(
        self, windows: Sequence[Proposals], encoded: BaseModelOutput, seconds: Sequence[float], language: str
    ) -> None:
        for window in windows:
            # English Whisper begins with a space, without which the first word has other tokens.
            written = self.whisper.processor.tokenizer.decode(window.hypothesis.tokens, skip_special_tokens=True)
            window.lead = written[: len(written) - len(written.lstrip())]
        texts = [window.lead + window.hypothesis.text for window in windows]
        alignments = align_encoded(self.whisper, encoded, seconds, texts, language)
        for window, alignment, lasts in zip(windows, alignments, seconds, strict=True):
            lead, text = len(window.lead), window.hypothesis.text
            if alignment is None:
                # A text in a loop, or none: times for whoever reads it, nothing to bias by.
                window.heard = Heard(text, tuple(spread(text, 0.0, lasts)))
                window.leave_unbiased(guards.UNALIGNED if window.heard.units else guards.NOTHING_HEARD)
                continue
            units = (
                UnitTime(unit.character_start - lead, unit.character_end - lead, unit.start, unit.end)
                for unit in alignment.units
            )
            window.heard = Heard(text, tuple(units), alignment.probabilities)

    def _find(self, window: Proposals) -> None:
        """What is right already, and the spans of what may not be."""
        heard = window.heard
        matcher = term_matcher(window.looked_at)
        mentions = matcher.find(heard.text)
        for place in window.shortlist:
            detection = window.detections[place]
            for mention in mentions_of(detection, mentions):
                units = units_within(heard.units, mention.start, mention.end)
                if units and overlap(heard.units[units[0]].start, heard.units[units[-1]].end, detection) > 0.0:
                    window.right[place] = mention.start, mention.end
        found: list[Candidate] = []
        for place in window.shortlist:
            if self.settings.substitution:
                found += time_spans(heard, place, window.detections[place], self.sounds, self.settings)
        for mechanism, text in window.biased.items():
            found += biased_spans(heard, text, mechanism, window.detections, matcher, self.sounds)
        wanted = [place for place in window.shortlist if place not in window.right]
        window.candidates = merged(candidate for candidate in found if candidate.detection in wanted)
        without = set(wanted) - {candidate.detection for candidate in window.candidates}
        window.refused |= dict.fromkeys(sorted(without), guards.NO_SPAN)

    def _assess(self, windows: Sequence[Proposals], states: CrossStates, language: str) -> None:
        """Score every text that a candidate would make beside the unbiased one, those of all windows together."""
        texts: dict[tuple[int, str], None] = {}
        for index, window in enumerate(windows):
            if window.candidates:
                texts[index, window.heard.text] = None
            for candidate in window.candidates:
                texts.update({(index, text): None for _, text in _variants(window, candidate)})
        scored = score_texts(
            self.whisper,
            states,
            [index for index, _ in texts],
            [windows[index].lead + text for index, text in texts],
            language,
        )
        logprobs = dict(zip(texts, scored, strict=True))
        for index, window in enumerate(windows):
            for candidate in window.candidates:
                before = logprobs[index, window.heard.text]
                gains: dict[str, float] = {}
                for spelling, text in _variants(window, candidate):
                    after = logprobs[index, text]
                    if before is None or after is None:
                        continue
                    gain = (after - before) / self._changed(window.heard, candidate, spelling)
                    gains[spelling] = max(gain, gains.get(spelling, gain))
                if gains:
                    detection = window.detections[candidate.detection]
                    window.assessed.append(guards.assess(candidate, detection, gains, self.settings))
                else:
                    window.refused[candidate.detection] = guards.TOO_LONG

    def _changed(self, heard: Heard, candidate: Candidate, spelling: str) -> int:
        """The tokens of the term or of the words it replaces, whichever are more."""
        replaced = heard.words(candidate.first, candidate.last)
        return max(1, len(self.whisper.plain_tokens(spelling)), len(self.whisper.plain_tokens(replaced)))


def _continue(windows: Sequence[Proposals], drafts: Sequence[Proposals]) -> None:
    """Take over when the units of the drafts were said."""
    for window, draft in zip(windows, drafts, strict=True):
        window.heard, window.lead = draft.heard, draft.lead
        if draft.unbiasable:
            window.leave_unbiased(draft.unbiasable)


def _variants(window: Proposals, candidate: Candidate) -> list[tuple[str, str]]:
    """Each spelling with the texts it makes; in lower case too, as a model may hardly know another."""
    detection, units = window.detections[candidate.detection], window.heard.units
    start, end = units[candidate.first].character_start, units[candidate.last - 1].character_end
    return [
        (spelling, splice(window.heard.text, start, end, form)[0])
        for spelling in detection.spellings or (detection.term,)
        for form in dict.fromkeys((spelling, spelling.lower()))
    ]
