"""A prepared set as the search model learns from it: everything compressed, every mention with its time."""

from compression.compressed import compress_all
from compression.span_corpus import Occurrence, SpanCorpus
from compression.spotter import Spotter
from harken.excerpt import spoken_span
from harken.records import read_parquet
from harken.unit_times import read_units
from jobs.keyword_data import SetData
from jobs.keyword_inventory import heard
from jobs.keyword_sets import MENTIONS, KeywordSet


def span_corpus(keyword_set: KeywordSet, data: SetData, spotter: Spotter) -> SpanCorpus:
    """The set with the frames that a spotter keeps of it.

    A mention has no time if its utterance has no units: the set has no cuts, or the text could not be aligned.
    """
    settings = spotter.settings
    frames = data.frames(settings.layers)
    kept_per_second = settings.encoder.frames_per_second / settings.compression.frame_factor
    recordings = compress_all(spotter, frames.keyword, list(data.keyword_files))
    utterances = compress_all(spotter, frames.utterance, list(data.utterance_files))
    units = {
        row["id"]: read_units(row["units"])
        for corpus in keyword_set.utterances
        for row in heard(corpus)
        if row.get("units")
    }
    recorded = {text for text, term in data.inventory.terms.items() if term.synthesized or term.natural}
    occurrences = []
    for mention in read_parquet(keyword_set.inventory.directory / MENTIONS):
        if mention["inside"] or mention["term"] not in recorded or mention["utterance"] not in utterances:
            continue
        times = units.get(mention["utterance"])
        span = None if times is None else spoken_span(times, mention["start"], mention["end"])
        start, end = (None, None) if span is None else (second * kept_per_second for second in span)
        occurrences.append(Occurrence(mention["term"], mention["utterance"], start, end))
    return SpanCorpus(
        terms=tuple(term for text, term in data.inventory.terms.items() if text in recorded),
        recordings=recordings,
        utterances=utterances,
        unclear={utterance.name: data.inventory.unclear(utterance) for utterance in data.utterances},
        occurrences=tuple(occurrences),
        frames_per_second=kept_per_second,
    )
