"""What schemathesis is told beside the schema: in every second request with a file, the file is speech."""

import itertools
from functools import cache

import schemathesis

from tests.serve.service import speech_file

_turns = itertools.count()


@cache
def _speech() -> bytes:
    return speech_file("你好")


@schemathesis.hook
def map_case(context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    if isinstance(case.body, dict) and isinstance(case.body.get("file"), bytes) and next(_turns) % 2:
        case.body["file"] = _speech()
    return case
