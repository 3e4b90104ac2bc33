"""Judges synthetic speech by what un-tuned recognisers heard of it: rows with hypotheses in, verdicts out.

Hearing is the transcriber's work. A verdict is arithmetic on what it left, so another threshold needs no decoding.

The first paper's judge (section 5.1, method 'paper') drops rows by the CER of the whole sentence, and with it the
very sentences whose terms the model does not know. Method 'carrier' thresholds the CER of the text around the
keywords, and rejects for a keyword only when the evidence is that it was not said.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from actors.evidence import SOUNDS_ALIKE, Evidence, Examiner, Said
from harken.judge_settings import JudgeSettings
from harken.keywords import Keyword
from harken.records import FAILED, OK, Row
from harken.text import bare

KEEP = "keep"
REJECT = "reject"

VERDICT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("cer", pa.float64()),
        ("carrier_cer", pa.float64()),
        ("keywords", pa.int64()),
        ("keywords_heard", pa.int64()),
        ("keyword_distance", pa.float64()),
        ("keyword_missing", pa.float64()),
        ("cut_off", pa.float64()),
        ("loop", pa.bool_()),
        ("pace", pa.float64()),
        ("characters_per_second", pa.float64()),
        ("judges", pa.string()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

# A further recogniser's columns are those of the first with its name before them.
SECOND = "second_"


@dataclass(frozen=True)
class Opinion:
    """What one recogniser's hypothesis tells, and why its row should be rejected (None: it should not)."""

    evidence: Evidence
    objection: str | None


class Judge:
    """Rows of speech with hypotheses in, `VERDICT_SCHEMA` out.

    A row is ``{"id", "text", "duration", "style", "status", "error"}`` with a transcriber's columns ``{"hypothesis",
    "truncated", "level_db", "range_db", "clipped"}`` and, when there is a second judge, ``{"second_hypothesis",
    "second_truncated", "second_status"}``. It is kept when one recogniser has no objection: where both have one the
    label or the speech is at fault, where one has the row is merely hard. A second one that failed has no say.

    `judges` is what each found, as JSON; the other measures are those of the one that objects least. `pace` is a
    factor on the usual pace of this run, `keywords_heard` counts what sounds alike (`SOUNDS_ALIKE`). `reason` says
    why a row was rejected, its cause before the first colon (``carrier: 0.42 > 0.15``, ``keyword: birkin was not
    said ...``, ``cut off``, ``loop``, ``unfinished``, ``pace``, ``silence``, ``noise``, ``clipping``, ``cer``, ``test
    sentence``), or the error of a row that failed earlier.

    Method 'paper' compares no sounds: its rows have no measures of keywords, cut-offs and pace.

    Args:
        language: espeak-ng's code of the language in which sounds are compared.
        usual_pace: what speech of this run says a second (`Examiner.typical_pace`); None asks nothing of the pace.
        test_texts: sentences of held-out sets; a row that says the same is rejected.

    Raises:
        HarkenError: a language espeak-ng does not know.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        keywords: Sequence[Keyword] = (),
        pronunciations: Mapping[str, Sequence[str]] | None = None,
        language: str = "cmn",
        usual_pace: float | None = None,
        test_texts: Iterable[str] = (),
    ) -> None:
        self.settings = settings
        compared = language if settings.method == "carrier" else None
        self.examiner = Examiner(keywords, pronunciations or {}, compared)
        self.usual_pace = usual_pace
        self.test_texts = {bare(text) for text in test_texts}

    def __call__(self, rows: list[Row]) -> list[Row]:
        columns = ("text", "hypothesis", f"{SECOND}hypothesis")
        self.examiner.learn(row[column] for row in rows for column in columns if row.get(column))
        return [self.judge(row) for row in rows]

    def judge(self, row: Row) -> Row:
        """The verdict on one row; depends on the row and the arguments of the judge only."""
        verdict: Row = dict.fromkeys(VERDICT_SCHEMA.names)
        verdict |= {"id": row["id"], "status": row["status"], "error": row["error"], "verdict": REJECT}
        if row["status"] == FAILED:
            return verdict | {"reason": row["error"]}
        if not bare(row["text"]):
            return verdict | {"reason": "empty label: it holds no character that can be heard"}
        said = self.examiner.said(row["id"], row["text"])
        pace = self._pace(said, row)
        opinions = {"first": self._opinion(said, row["hypothesis"], row["truncated"], pace)}
        if row.get(f"{SECOND}status", FAILED) == OK:
            hypothesis, truncated = row[f"{SECOND}hypothesis"], row[f"{SECOND}truncated"]
            opinions["second"] = self._opinion(said, hypothesis, truncated, pace)
        best = min(opinions.values(), key=lambda found: (found.objection is not None, found.evidence.carrier_cer))
        reason = self._about_the_row(row, pace) or best.objection
        if self.settings.method == "carrier":
            verdict |= _measures_of_sound(best.evidence)
        return verdict | {
            "cer": best.evidence.cer,
            "carrier_cer": best.evidence.carrier_cer,
            "loop": best.evidence.loop is not None,
            "pace": pace,
            "characters_per_second": len(bare(row["text"])) / row["duration"] if row["duration"] else None,
            "judges": json.dumps({name: _told(opinion) for name, opinion in opinions.items()}, ensure_ascii=False),
            "verdict": REJECT if reason else KEEP,
            "reason": reason,
        }

    def _pace(self, said: Said, row: Row) -> float | None:
        pace = self.examiner.pace_of(said, row)
        return pace / self.usual_pace if pace and self.usual_pace else None

    def _opinion(self, said: Said, hypothesis: str | None, truncated: bool | None, pace: float | None) -> Opinion:
        evidence = self.examiner.examine(said, hypothesis or "", unsaid=1 - 1 / pace if pace else 0.0)
        return Opinion(evidence, self._objection(evidence, bool(truncated)))

    def _objection(self, evidence: Evidence, truncated: bool) -> str | None:
        settings = self.settings
        if evidence.loop:
            return f"loop: {evidence.loop}"
        if truncated:
            return "unfinished: the token limit came before the end of the text"
        if settings.method == "paper":
            return f"cer: {evidence.cer:.2f} > {settings.threshold:g}" if evidence.cer > settings.threshold else None
        if evidence.carrier_cer > settings.threshold:
            return f"carrier: {evidence.carrier_cer:.2f} > {settings.threshold:g}"
        if evidence.cut_off > settings.cut_off:
            return f"cut off: the end of the text is missing ({evidence.cut_off:.2f} > {settings.cut_off:g})"
        keyword = max(evidence.keywords, key=lambda keyword: keyword.missing, default=None)
        if keyword and keyword.missing > settings.keyword_missing:
            missing = f"{keyword.missing:.2f} > {settings.keyword_missing:g}"
            return f"keyword: {keyword.term} was not said, {keyword.heard or 'nothing'} was heard instead ({missing})"
        return None

    def _about_the_row(self, row: Row, pace: float | None) -> str | None:
        """What is wrong with the row whatever was heard of it."""
        if bare(row["text"]) in self.test_texts:
            return "test sentence: a held-out set says the same"
        return self._about_the_take(row, pace) if self.settings.method == "carrier" else None

    def _about_the_take(self, row: Row, pace: float | None) -> str | None:
        settings = self.settings
        level, dynamics, clipped = row["level_db"], row["range_db"], row["clipped"]
        if level < settings.least_level_db:
            return f"silence: {level:.0f} dB < {settings.least_level_db:g} dB"
        if dynamics < settings.least_range_db:
            return f"noise: speech is {dynamics:.1f} dB above the rest, less than {settings.least_range_db:g} dB"
        if clipped > settings.most_clipped:
            return f"clipping: {clipped:.1%} of the samples, more than {settings.most_clipped:.1%}"
        slowest, fastest = settings.pace
        if pace is not None and not slowest <= pace <= fastest:
            return f"pace: {pace:.2f} of the usual one is outside of {slowest:g} to {fastest:g}"
        return None


def _measures_of_sound(evidence: Evidence) -> Row:
    keywords = evidence.keywords
    return {
        "keywords": len(keywords),
        "keywords_heard": sum(keyword.distance <= SOUNDS_ALIKE for keyword in keywords),
        "keyword_distance": max((keyword.distance for keyword in keywords), default=None),
        "keyword_missing": max((keyword.missing for keyword in keywords), default=None),
        "cut_off": evidence.cut_off,
    }


def _told(opinion: Opinion) -> Row:
    keywords = {keyword.term: keyword.heard for keyword in opinion.evidence.keywords}
    measures = {"cer": round(opinion.evidence.cer, 4), "carrier_cer": round(opinion.evidence.carrier_cer, 4)}
    return {**measures, "keywords": keywords, "objection": opinion.objection}
