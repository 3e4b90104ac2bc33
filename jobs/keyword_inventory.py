"""What a set is about: its terms, where they are said, which recordings of them are to be made.

terms.parquet             term, language, how often it is said, phonemes
mentions.parquet          utterance, term, its characters in the text, whether inside a longer term
spoken-<engine>.parquet   a row for every recording that the engine makes of a term of its languages
cuts.parquet              the mentions that are cut out of their utterances
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.inventory import InventoryTerm, all_mentions, content_words, term_matchers, without
from harken.keywords import matched_form
from harken.records import OK, Row, fingerprint, generator, read_parquet, write_parquet
from harken.word_sequences import vocabulary
from jobs.flow import exclusive
from jobs.keyword_sets import CUTS, MENTIONS, SPOKEN, TERMS, KeywordSet, Utterances
from jobs.progress import note

TERM_SCHEMA = pa.schema(
    [("term", pa.string()), ("language", pa.string()), ("count", pa.int64()), ("phonemes", pa.list_(pa.string()))]
)
MENTION_SCHEMA = pa.schema(
    [
        ("utterance", pa.string()),
        ("term", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("inside", pa.bool_()),
    ]
)
SPOKEN_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
CUT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "text", "utterance")] + [("start", pa.int64()), ("end", pa.int64())]
)


def take_inventory(keyword_set: KeywordSet) -> dict[str, Any]:
    """Bring the inventory of a set to completion, its utterances being there; returns its record.

    Raises:
        HarkenError: no utterance could be spoken or read, no term remains, or none is said.
    """
    stage = keyword_set.inventory
    if stage.complete():
        record = stage.record()
        note(f"{stage.name}: skipped, {record['terms']} terms are there")
        return record
    with exclusive(stage):
        stage.begin(dump_yaml(keyword_set.run))
        began = time.monotonic()
        utterances = [row for corpus in keyword_set.utterances for row in heard(corpus)]
        if not utterances:
            raise HarkenError("utterances", keyword_set.name, "None could be spoken or read: see the failures above.")
        terms = _terms(keyword_set, utterances)
        mentions = _mentions(utterances, terms)
        counts = Counter(mention["term"] for mention in mentions)
        terms = [replace(term, count=counts[term.term]) for term in terms]
        if all(mention["inside"] for mention in mentions):
            remedy = f"None of {len(utterances)} utterances says one: F1 needs a said one, see inventory and corpora."
            raise HarkenError(f"terms of {keyword_set.name}", len(terms), remedy)
        spoken = {name: _to_be_spoken(keyword_set, name, terms) for name in keyword_set.settings.engines}
        cuts = _to_be_cut(keyword_set, utterances, mentions)
        write_parquet(stage.directory / TERMS, _with_phonemes(terms), TERM_SCHEMA)
        write_parquet(stage.directory / MENTIONS, mentions, MENTION_SCHEMA)
        for name, rows in spoken.items():
            write_parquet(stage.directory / f"{SPOKEN}-{name}.parquet", rows, SPOKEN_SCHEMA)
        write_parquet(stage.directory / CUTS, cuts, CUT_SCHEMA)
        figures = {
            "utterances": len(utterances),
            "terms": len(terms),
            "mentions": len(mentions),
            "spoken": {name: len(rows) for name, rows in spoken.items()},
            "cut": len(cuts),
        }
        record = stage.finish(time.monotonic() - began, figures)
    note(f"{stage.name}: {len(terms)} terms, said {len(mentions)} times in {len(utterances)} utterances")
    return record


def read_terms(keyword_set: KeywordSet) -> list[InventoryTerm]:
    """The terms of an inventory that is there."""
    rows = read_parquet(keyword_set.inventory.directory / TERMS, ["term", "language", "count"])
    return [InventoryTerm(row["term"], row["language"], row["count"]) for row in rows]


def heard(corpus: Utterances) -> list[Row]:
    """``{"id", "text", "language"[, "units"]}`` of the utterances whose audio is there and fits the text.

    A recording that could not be aligned with its text may say something else and is left out; what an engine has
    spoken is its text all the same, and only has no units: None.
    """
    language = corpus.settings.language
    rows = [
        {"id": row["id"], "text": row["text"], "language": language}
        for row in corpus.stage.rows(["id", "text", "status"])
        if row["status"] == OK
    ]
    if corpus.units is None:
        return rows
    times = {row["id"]: row["units"] for row in corpus.units.rows(["id", "units", "status"]) if row["status"] == OK}
    kept = corpus.settings.speech is not None
    return [row | {"units": times.get(row["id"])} for row in rows if kept or row["id"] in times]


def _terms(keyword_set: KeywordSet, utterances: Sequence[Row]) -> list[InventoryTerm]:
    """The terms of a set, sorted and not yet counted."""
    settings, seed = keyword_set.settings, keyword_set.run.run.seed
    found: set[InventoryTerm] = set()
    texts: dict[str, list[str]] = defaultdict(list)
    for corpus in keyword_set.utterances:
        language, sequences = corpus.settings.language, corpus.settings.sequences
        if sequences is None:
            texts[language] += [row["text"] for row in corpus.rows]
        else:
            found |= {InventoryTerm(word, language, 0) for word in vocabulary(sequences, seed)}
    for language, spoken in texts.items():
        found |= {replace(term, count=0) for term in content_words(spoken, language, settings.inventory)}
    unheard = without(found, [term for other in keyword_set.earlier for term in read_terms(other)])
    pronounced = _of_one_language(unheard, utterances)
    terms = [term for term in pronounced if _is_spoken(keyword_set, term)]
    left_out = {
        "in an earlier set": len(found) - len(unheard),
        "in two languages": len(unheard) - len(pronounced),
        "in a language that no engine speaks": len(pronounced) - len(terms),
    }
    told = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
    if not terms:
        remedy = f"No term remains ({told} left out): see inventory, engines and heard_terms."
        raise HarkenError("keyword inventory", keyword_set.name, remedy)
    if told:
        note(f"inventory-{keyword_set.name}: terms left out: {told}")
    return sorted(terms)


def _of_one_language(terms: Sequence[InventoryTerm], utterances: Sequence[Row]) -> list[InventoryTerm]:
    """The terms without those that are written alike in two languages: they have no one pronunciation.

    A term of a glossary, which is given for all languages of the set, is of the one in which it is said.
    """
    languages: dict[str, set[str]] = defaultdict(set)
    for term in terms:
        languages[matched_form(term.term)].add(term.language)
    shared = [term for term in terms if len(languages[matched_form(term.term)]) > 1]
    said: dict[str, set[str]] = defaultdict(set)
    for mentions in all_mentions(utterances, term_matchers(shared)):
        for mention in mentions:
            said[matched_form(mention.term)].add(mention.category)
    return [
        term for term in terms if len(languages[form := matched_form(term.term)]) == 1 or said[form] == {term.language}
    ]


def _is_spoken(keyword_set: KeywordSet, term: InventoryTerm) -> bool:
    engines = keyword_set.settings.engines.values()
    return any(not engine.languages or term.language in engine.languages for engine in engines)


def _mentions(utterances: Sequence[Row], terms: Sequence[InventoryTerm]) -> list[Row]:
    rows = []
    for utterance, mentions in zip(utterances, all_mentions(utterances, term_matchers(terms)), strict=True):
        for mention in mentions:
            span = {"start": mention.start, "end": mention.end}
            inside = any(
                other.start <= mention.start and mention.end <= other.end and other.term != mention.term
                for other in mentions
            )
            rows.append({"utterance": utterance["id"], "term": mention.term, **span, "inside": inside})
    return rows


def _to_be_spoken(keyword_set: KeywordSet, name: str, terms: Sequence[InventoryTerm]) -> list[Row]:
    engine = keyword_set.settings.engines[name]
    return [
        {"id": fingerprint("term", keyword_set.name, name, term.language, term.term, take), "text": term.term}
        for term in terms
        if not engine.languages or term.language in engine.languages
        for take in range(engine.recordings)
    ]


def _to_be_cut(keyword_set: KeywordSet, utterances: Sequence[Row], mentions: Sequence[Row]) -> list[Row]:
    timed = {row["id"] for row in utterances if row.get("units")}
    by_term: dict[str, list[Row]] = defaultdict(list)
    for mention in mentions:
        if mention["utterance"] in timed:
            by_term[mention["term"]].append(mention)
    cuts = []
    for term, said in by_term.items():
        draw = generator("cuts", keyword_set.name, keyword_set.run.run.seed, term)
        for mention in draw.sample(said, min(keyword_set.settings.cuts, len(said))):
            span = {key: mention[key] for key in ("utterance", "start", "end")}
            cuts.append({"id": fingerprint("cut", keyword_set.name, term, span), "text": term, **span})
    return cuts


def _with_phonemes(terms: Sequence[InventoryTerm]) -> list[Mapping[str, Any]]:
    from actors.phoneme_reader import espeak_voice, read_phonemes

    by_language: dict[str, list[str]] = defaultdict(list)
    for term in terms:
        by_language[term.language].append(term.term)
    sounds = {language: read_phonemes(texts, espeak_voice(language)) for language, texts in by_language.items()}
    return [asdict(term) | {"phonemes": list(sounds[term.language][term.term])} for term in terms]
