"""What a set is about: its terms, where they are said, which recordings of them are to be made.

    terms.parquet      term, language, in how many utterances it is said, phonemes
    mentions.parquet   utterance, term, character span
    spoken-<engine>.parquet   rows for the engine: a row for every recording of every term of its languages
    cuts/<corpus>-<shard>.parquet   mentions that are cut out of the utterances of one part
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.inventory import InventoryTerm, all_mentions, content_words, without
from harken.records import OK, Row, fingerprint, generator, read_parquet, write_parquet
from harken.stages import Stage
from harken.word_sequences import vocabulary
from jobs.flow import exclusive
from jobs.keyword_sets import CUTS, MENTIONS, SPOKEN, TERMS, KeywordSet, Utterances
from jobs.progress import note

TERM_SCHEMA = pa.schema(
    [("term", pa.string()), ("language", pa.string()), ("count", pa.int64()), ("phonemes", pa.list_(pa.string()))]
)
MENTION_SCHEMA = pa.schema(
    [("utterance", pa.string()), ("term", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
)
SPOKEN_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
CUT_SCHEMA = MENTION_SCHEMA.append(pa.field("id", pa.string()))
