"""Draws what span embeddings are trained on: windows, recordings of their terms, and what is easily taken for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compression.span_corpus import PackedSums, SpanCorpus
from compression.spans import SpanEmbedder, segment_means, sums_at
from harken.errors import HarkenError
from harken.search_settings import SpanTrainingSettings

# Of a recording's borders: more of it may be the term's own sound.
_MOST_TRIMMED = 0.1
# Where a term is cut to be spliced.
_CUT = (0.35, 0.65)


@dataclass(frozen=True)
class SpanBatch:
    """Segment means (n, layers, segments, size) of spans, and which of them are of one sound.

    `windows`, `recordings` and `others` hold a row for each of the batch's terms: it as an utterance says it, and two
    recordings of it (twice the same where there is one). `groups`: (n,), equal for terms that sound alike.
    `negatives` are recordings of other terms, `negative_groups` theirs. `splices` sound like no term.
    `elsewhere` are windows with no term in particular; `unclear[i, j]`: the j-th may hold the i-th term. `made_up` are
    windows and recordings of terms that nobody has said, as many: the vocabulary is larger than the corpus's.
    """

    windows: Tensor
    recordings: Tensor
    others: Tensor
    groups: Tensor
    negatives: Tensor
    negative_groups: Tensor
    splices: Tensor
    elsewhere: Tensor
    unclear: Tensor
    made_up: tuple[Tensor, Tensor]


class SpanExamples:
    """A corpus as tensors. All its occurrences are timed (`SpanCorpus.located`).

    `groups`: (terms,), equal for terms that sound alike. `recordings` and `utterances`: their frames;
    `term_of_recording`: (recordings,). Of occurrences, (n,) each: `terms`, rows of `utterances` in `said_in`, and
    (n, 2) `spans` in kept frames. `unclear`: (utterances, groups), true where a sound may be in an utterance.

    Raises:
        HarkenError: no occurrence of a term with a recording.
    """

    def __init__(self, corpus: SpanCorpus, spans: SpanEmbedder, settings: SpanTrainingSettings) -> None:
        self.settings, self._segments = settings, spans.settings.segments
        self._ladder = torch.tensor(spans.ladder())
        self._jitter = settings.jitter_seconds * corpus.frames_per_second
        numbers = {term.text: number for number, term in enumerate(corpus.terms)}
        sounds: dict[object, int] = {}
        self.groups = torch.tensor(
            [sounds.setdefault(term.phonemes or term.text, len(sounds)) for term in corpus.terms]
        )
        named = [(number, name) for number, term in enumerate(corpus.terms) for name in corpus.names(term)]
        self.recordings = PackedSums([corpus.recordings[name] for _, name in named])
        self.term_of_recording = torch.tensor([number for number, _ in named])
        self._counts = torch.bincount(self.term_of_recording, minlength=len(corpus.terms))
        self._firsts = self._counts.cumsum(0) - self._counts
        rows = {name: row for row, name in enumerate(corpus.utterances)}
        self.utterances = PackedSums(list(corpus.utterances.values()))
        cut_from = {cut.name: rows.get(cut.utterance, -1) for term in corpus.terms for cut in term.natural}
        self._origin = torch.tensor([cut_from.get(name, -1) for _, name in named])
        used = [one for one in corpus.occurrences if one.term in numbers and one.utterance in rows]
        if not used:
            raise HarkenError(
                "occurrences of terms", 0, "A search model learns from utterances that say recorded terms."
            )
        self.terms = torch.tensor([numbers[one.term] for one in used])
        self.said_in = torch.tensor([rows[one.utterance] for one in used])
        self.spans = torch.tensor([(one.start, one.end) for one in used], dtype=torch.float64)
        self.unclear = torch.zeros(len(rows), len(sounds), dtype=torch.bool)
        for name, row in rows.items():
            held = [int(self.groups[numbers[text]]) for text in corpus.unclear.get(name, ()) if text in numbers]
            self.unclear[row, held] = True

    def __len__(self) -> int:
        return len(self.terms)

    def batch(self, chosen: Tensor, nearest: Tensor, draw: torch.Generator) -> SpanBatch:
        """The batch of these occurrences.

        Args:
            chosen: (n,), of all occurrences.
            nearest: (terms, any), terms that are easily taken for each.
            draw: the source of every random choice.
        """
        settings, terms, said_in = self.settings, self.terms[chosen], self.said_in[chosen]
        first = self.recording_of(terms, said_in, draw)
        wrong = nearest[terms[:, None], self._below(nearest.shape[1], (len(chosen), settings.hard_negatives), draw)]
        wrong = wrong.flatten()
        elsewhere, heard_in = self._elsewhere(said_in, draw)
        return SpanBatch(
            windows=self._windows(chosen, draw),
            recordings=self._recorded(first, draw),
            others=self._recorded(self.recording_of(terms, said_in, draw), draw),
            groups=self.groups[terms],
            negatives=self._recorded(self.any_recording(wrong, draw), draw),
            negative_groups=self.groups[wrong],
            splices=self._spliced(first.repeat(settings.splices), draw),
            elsewhere=elsewhere,
            unclear=self.unclear[heard_in][:, self.groups[terms]].T,
            made_up=self._made_up(chosen, draw),
        )

    def _spliced(self, rows: Tensor, draw: torch.Generator) -> Tensor:
        """Segment means of recordings that begin or end as these do, and go on as others drawn at random."""
        other = self._below(len(self.recordings.lengths), (len(rows),), draw)
        swap = torch.rand(len(rows), generator=draw) < 0.5
        before, after = torch.where(swap, other, rows), torch.where(swap, rows, other)
        firsts, lengths = self.recordings.firsts, self.recordings.lengths.double()
        return self._joined(
            self.recordings.values,
            (firsts[before], firsts[before] + lengths[before]),
            (firsts[after], firsts[after] + lengths[after]),
            self._shares(len(rows), draw),
        )

    def _made_up(self, chosen: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Terms that nobody has said: two occurrences are spliced, and recordings of their terms at the same place."""
        after = chosen[torch.randperm(len(chosen), generator=draw)]
        shares = self._shares(len(chosen), draw)
        (begin, end), (begin_after, end_after) = (self._borders(part, draw) for part in (chosen, after))
        windows = self._joined(self.utterances.values, (begin, end), (begin_after, end_after), shares)
        first, second = (self.any_recording(self.terms[part], draw) for part in (chosen, after))
        firsts, ends = self.recordings.firsts, self.recordings.firsts + self.recordings.lengths
        recordings = self._joined(
            self.recordings.values, (firsts[first], ends[first]), (firsts[second], ends[second]), shares
        )
        return windows, recordings

    def _joined(
        self, sums: Tensor, before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], shares: Tensor
    ) -> Tensor:
        """Segment means of the first `shares` (n,) of some spans followed by the rest of others."""
        kept = (before[1] - before[0]) * shares
        joint = after[0] + (after[1] - after[0]) * shares
        length = kept + after[1] - joint
        places = length[:, None] * (torch.arange(self._segments + 1) / self._segments)
        past = (places - kept[:, None]).clamp(min=0)
        first = sums_at(sums, before[0][:, None] + places.minimum(kept[:, None]))
        second = sums_at(sums, joint[:, None] + past) - sums_at(sums, joint[:, None])
        widths = (length / self._segments).to(sums.dtype)[:, None, None, None]
        return ((first + second).diff(dim=1) / widths).transpose(1, 2)

    @staticmethod
    def _shares(count: int, draw: torch.Generator) -> Tensor:
        return _CUT[0] + (_CUT[1] - _CUT[0]) * torch.rand(count, generator=draw, dtype=torch.float64)

    def _windows(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        starts, ends = self._borders(chosen, draw)
        return segment_means(self.utterances.values, starts, ends, self._segments)

    def _borders(self, chosen: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where occurrences begin and end among all utterances' sums, moved a little."""
        said_in = self.said_in[chosen]
        moved = self.spans[chosen] + self._jitter * (2 * torch.rand(len(chosen), 2, generator=draw) - 1)
        lengths = self.utterances.lengths[said_in]
        starts = moved[:, 0].clamp(min=0).minimum((lengths - 1).double())
        ends = moved[:, 1].maximum(starts + 1).minimum(lengths.double())
        firsts = self.utterances.firsts[said_in]
        return firsts + starts, firsts + ends

    def _recorded(self, rows: Tensor, draw: torch.Generator) -> Tensor:
        lengths = self.recordings.lengths[rows].double()
        most = (_MOST_TRIMMED * lengths).clamp(max=self._jitter)[:, None]
        trimmed = most * torch.rand(len(rows), 2, generator=draw)
        firsts = self.recordings.firsts[rows]
        return segment_means(
            self.recordings.values, firsts + trimmed[:, 0], firsts + lengths - trimmed[:, 1], self._segments
        )

    def _elsewhere(self, said_in: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Windows of the batch's utterances, and the utterance of each."""
        count = self.settings.other_windows
        heard_in = said_in[self._below(len(said_in), (count,), draw)]
        lengths = self.utterances.lengths[heard_in]
        sizes = self._ladder[self._below(len(self._ladder), (count,), draw)].minimum(lengths)
        starts = ((lengths - sizes + 1) * torch.rand(count, generator=draw)).long()
        begin = self.utterances.firsts[heard_in] + starts
        return segment_means(self.utterances.values, begin, begin + sizes, self._segments), heard_in

    def recording_of(self, terms: Tensor, said_in: Tensor, draw: torch.Generator) -> Tensor:
        """As `any_recording`, rarely cut from the utterance that it is compared with where there is another."""
        rows = self.any_recording(terms, draw)
        again = self.any_recording(terms, draw)
        return torch.where(self._origin[rows] == said_in, again, rows)

    def any_recording(self, terms: Tensor, draw: torch.Generator) -> Tensor:
        """A recording of each term, as rows of `recordings`."""
        shares = torch.rand(len(terms), generator=draw, dtype=torch.float64)
        return self._firsts[terms] + (shares * self._counts[terms]).long()

    @staticmethod
    def _below(bound: int, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
        return torch.randint(bound, shape, generator=draw)
