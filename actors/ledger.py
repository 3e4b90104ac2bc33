"""The ledger of an LLM stage: every request before it is sent, and what became of it.

One JSONL file for each shard lies beside the stage's parts and is written line by line, each flushed to the disk.
After a kill -9 the answers that were paid for are in it: the shard's next worker takes them from there instead of
asking again, and requests that were in flight count as paid in full.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from harken.errors import HarkenError

ANSWER = "answer"
FOLDER = "ledger"


@dataclass(frozen=True)
class Answer:
    """What one request brought: the text, why the model stopped, and what it used."""

    content: str
    finish: str
    model: str
    tokens_in: int
    tokens_out: int
    cost: float


class Ledger:
    """The open ledger of one shard, a context manager; one writer at a time.

    ``answers`` holds what earlier workers of the shard were answered, by the key of the request.

    Raises:
        HarkenError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, Answer] = {}
        for line in read(path):
            if line["event"] == "settled" and line["outcome"] == ANSWER:
                self.answers[line["request"]] = Answer(**line[ANSWER])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._file).st_size
        # A worker was killed in the middle of a line; the next one must not be glued to it.
        self._torn = bool(size) and os.pread(self._file, 1, size - 1) != b"\n"
        self._path = path

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def sent(self, request: str, attempt: int, at_most: float) -> None:
        """A request is about to be sent that can cost ``at_most``; ``attempt`` counts from 0."""
        self._write({"event": "sent", "request": request, "attempt": attempt, "at_most": at_most})

    def answered(self, request: str, attempt: int, answer: Answer) -> None:
        """The endpoint answered."""
        self._write(self._settled(request, attempt, ANSWER, answer.cost) | {ANSWER: asdict(answer)})

    def failed(self, request: str, attempt: int, cause: str, at_most: float) -> None:
        """The request brought nothing; ``at_most`` is what the endpoint may still charge for it."""
        self._write(self._settled(request, attempt, cause, at_most))

    @staticmethod
    def _settled(request: str, attempt: int, outcome: str, at_most: float) -> dict[str, Any]:
        return {"event": "settled", "request": request, "attempt": attempt, "outcome": outcome, "at_most": at_most}

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line | {"time": round(time.time(), 3)}, ensure_ascii=False) + "\n"
        entry = text.encode("utf-8")
        try:
            written = os.write(self._file, b"\n" + entry if self._torn else entry)
            os.fsync(self._file)
        except OSError as failure:
            self._torn = True
            raise self._unwritable(failure.strerror or str(failure)) from failure
        if written < len(entry):
            self._torn = True
            raise self._unwritable("the disk is full")
        self._torn = False

    def _unwritable(self, reason: str) -> HarkenError:
        remedy = f"It cannot be written ({reason}), and no request goes unrecorded: free the disk and run again."
        return HarkenError("ledger", str(self._path), remedy)


@dataclass(frozen=True)
class Account:
    """The sums of a ledger.

    ``cost`` is what the endpoint reported; ``cost_at_most`` adds what it may charge for requests that timed out,
    broke off or were in flight when their worker was killed. The spend cap holds for ``cost_at_most``.
    """

    requests: int = 0
    retries: int = 0
    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    cost_at_most: float = 0.0
    unsettled: int = 0
    failures: tuple[tuple[str, int], ...] = ()

    def record(self) -> dict[str, Any]:
        """The sums as JSON holds them."""
        return asdict(self) | {"failures": dict(self.failures)}


def account(directory: Path) -> Account:
    """Add up every ledger of a stage and of its retries, which lie in folders below it."""
    requests = retries = answers = tokens_in = tokens_out = unsettled = 0
    cost = at_most = 0.0
    causes: Counter[str] = Counter()
    for path in sorted(directory.glob(f"**/{FOLDER}/*.jsonl")):
        open_requests: dict[tuple[str, int], list[float]] = {}
        for line in read(path):
            key = (line["request"], line["attempt"])
            if line["event"] == "sent":
                requests += 1
                retries += line["attempt"] > 0
                open_requests.setdefault(key, []).append(line["at_most"])
                continue
            waiting = open_requests.get(key)
            if waiting:
                waiting.pop()
            at_most += line["at_most"]
            if line["outcome"] == ANSWER:
                answers += 1
                tokens_in += line[ANSWER]["tokens_in"]
                tokens_out += line[ANSWER]["tokens_out"]
                cost += line[ANSWER]["cost"]
            else:
                causes[line["outcome"]] += 1
        unsettled += sum(map(len, open_requests.values()))
        at_most += sum(map(sum, open_requests.values()))
    return Account(
        requests, retries, answers, tokens_in, tokens_out, cost, at_most, unsettled, tuple(causes.most_common())
    )


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of one ledger file; none when it does not exist."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                # The torn line of a worker that was killed; its request counts as unsettled.
                continue
