"""Rows that end the process they are worked on in: told from rows that only were there when something else did.

A worker that dies (a crash in a native library, memory) takes its shard with it, and Ray starts the shard again, for
ever. So a shard that was begun before and not finished is worked on in a child process. The child gets the whole shard
first, as the worker would have; when it dies, its rows one by one, each at most twice. Only a death of the child that
the worker itself has seen counts against a row: a killed driver or a lost node counts against nobody.

``python -m jobs.isolation`` is the child.
"""

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa

from harken.errors import HarkenError
from harken.records import FAILED, Row

TRIES = 2


class WorkerDied(Exception):  # noqa: N818 - an event, not a fault of this program
    """The child process ended without an answer; ``how`` says with which signal or status."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class IsolatedActor:
    """The actor that ``factory(**arguments)`` builds, in a child process; a context manager.

    Raises:
        HarkenError: what the actor raised as bad input.
        RuntimeError: any other exception of the actor, with its traceback as text.
    """

    def __init__(self, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self.built_from = (factory, dict(arguments))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "IsolatedActor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one; the next call starts another."""
        self._end()

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The rows the actor makes of ``rows``.

        Raises:
            WorkerDied: the child did, on these rows.
        """
        process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(rows, process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise WorkerDied(self._end()) from None
        if isinstance(answer, HarkenError):
            raise answer
        if isinstance(answer, str):
            raise RuntimeError(answer)
        made: list[Row] = answer
        return made

    def _start(self) -> subprocess.Popen[bytes]:
        # The child finds the same modules, wherever Ray unpacked them.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "jobs.isolation"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(self.built_from, self.process.stdin)
            self.process.stdin.flush()
            ready = pickle.load(self.process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            # No row is to blame for this.
            remedy = "The worker process ends before it is given a row: is there enough memory for the model?"
            raise HarkenError("worker process", self._end(), remedy) from None
        if ready is not None:
            self._end()
            raise ready if isinstance(ready, HarkenError) else RuntimeError(ready)
        return self.process

    def _end(self) -> str:
        """End the child if it still runs; how it ended."""
        process, self.process = self.process, None
        if process is None:
            return "ended"
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            try:
                stream.close()
            except OSError:
                # What could not be flushed to a dead process is of no use.
                continue
        try:
            status = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def work_in_isolation(actor: IsolatedActor, rows: list[Row], schema: pa.Schema) -> list[Row]:
    """What the actor makes of ``rows``; a row on which the child died twice is failed with the cause 'crash'."""
    try:
        return actor(rows)
    except WorkerDied:
        if len(rows) > 1:
            return [made for row in rows for made in _one(actor, row, schema, TRIES)]
        return _one(actor, rows[0], schema, TRIES - 1)


def _one(actor: IsolatedActor, row: Row, schema: pa.Schema, tries: int) -> list[Row]:
    how = ""
    for _ in range(tries):
        try:
            return actor([row])
        except WorkerDied as death:
            how = death.how
    kept = {name: row.get(name) for name in schema.names}
    return [kept | {"status": FAILED, "error": f"crash: the worker process died {TRIES} times on this row ({how})"}]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The child: build the actor, say so (None), then answer each list of rows with what it makes of them."""

    def answer(value: object) -> None:
        pickle.dump(value, answers)
        answers.flush()

    try:
        factory, arguments = pickle.load(requests)
        actor = factory(**arguments)
    except HarkenError as failure:
        return answer(failure)
    except Exception:
        return answer(traceback.format_exc())
    answer(None)
    while True:
        try:
            rows = pickle.load(requests)
        except EOFError:
            return None
        try:
            made = actor(rows)
        except HarkenError as failure:
            answer(failure)
        except Exception:
            answer(traceback.format_exc())
        else:
            answer(made)


if __name__ == "__main__":
    # What the actor prints must not get between the answers.
    with os.fdopen(os.dup(1), "wb") as own_answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, own_answers)
