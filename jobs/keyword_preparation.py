"""Brings the stages of a set to completion (`jobs.keyword_sets`), in their order."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.inventory import InventoryTerm, all_mentions, content_words, without
from harken.inventory_settings import InventorySettings
from harken.records import OK, Row, fingerprint, generator, read_parquet, write_parquet
from harken.spotting_settings import SpottingSettings
from harken.stages import Stage
from harken.word_sequences import vocabulary
from jobs.flow import exclusive, run_stage
from jobs.keyword_sets import MENTIONS, SPOKEN, TERMS, KeywordSet, Utterances
from jobs.progress import note

ROW_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "language", "audio_path")])
TERM_SCHEMA = pa.schema(
    [("term", pa.string()), ("language", pa.string()), ("count", pa.int64()), ("phonemes", pa.list_(pa.string()))]
)
MENTION_SCHEMA = pa.schema(
    [("utterance", pa.string()), ("term", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
)
SPOKEN_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
CUT_SCHEMA = pa.schema(
    [("id", pa.string()), ("term", pa.string()), ("utterance", pa.string()), ("start", pa.float64()), ("end", pa.float64())]
)


def prepare(keyword_set: KeywordSet) -> None:
    """Bring every stage of a set to completion.

    Raises:
        HarkenError: bad input that an actor found, or a set without terms or utterances.
    """
    for corpus in keyword_set.utterances:
        _speak_utterances(keyword_set.run, corpus)
    _take_inventory(keyword_set)
    for engine in keyword_set.settings.engines:
        _speak_terms(keyword_set, engine)
    _cut_terms(keyword_set)
    speeches = {corpus.name: corpus.stage for corpus in keyword_set.utterances}
    for name, speech in speeches.items():
        encode(keyword_set, name, speech, "utterance")
    for name, speech in keyword_set.recordings().items():
        encode(keyword_set, name, speech, "keyword")


def _speak_utterances(run: SpottingSettings, corpus: Utterances) -> None:
    from actors.aligner import ALIGNED_SCHEMA, Aligner
    from actors.speech_rows import SPEECH_SCHEMA, RecordingReader
    from actors.timed_speaker import TIMED_SPEECH_SCHEMA, TimedSpeaker
    from actors.tts.backends import utterances_per_process
    from compression.features import encoder_shape
