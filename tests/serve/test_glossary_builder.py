"""What a build does when a run of it is lost; the runs themselves: tests/serve/test_graph.py and tests/jobs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harken.errors import HarkenError
from serve.build_run import RunLostError, follow
from serve.builder import BuildOrder
from serve.glossary_builder import BuildTooLongError, GlossaryBuilder
from tests.tiny_glossary import stored
from tests.tiny_service import service_settings


class Outcomes(GlossaryBuilder):
    """Notes the commands, which end as they are told to in place of running."""

    def __init__(self, folder: Path, outcomes: Sequence[HarkenError | None]) -> None:
        super().__init__(service_settings(folder))
        self.outcomes, self.ran = list(outcomes), []

    def _command(self, name: str, config: Path, progress: object) -> None:
        self.ran.append(name)
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome


LOST = RunLostError("glossary build", "exit code -9", "")
REFUSED = HarkenError("recordings of the glossary", "x", "build it anew")
TOO_LONG = BuildTooLongError("glossary build", "1 s", "raise builds.seconds")


@pytest.mark.parametrize(
    ("outcomes", "ran"),
    [
        ([None], ["update"]),
        ([LOST, None], ["update", "update"]),
        ([LOST, LOST, None], ["update", "update", "build"]),
        ([REFUSED, None], ["update", "build"]),
        ([TOO_LONG], ["update"]),
    ],
)
def test_a_lost_update_goes_on_and_only_one_that_cannot_be_done_is_a_build(
    tmp_path: Path, outcomes: list[HarkenError | None], ran: list[str]
) -> None:
    glossary = tmp_path / "glossary"
    stored(glossary / "version-000001", range(3))
    builder = Outcomes(tmp_path, outcomes)
    order = BuildOrder("g", 2, glossary / "version-000002", glossary / "version-000001", 0, iter(()))
    if outcomes == [TOO_LONG]:
        with pytest.raises(HarkenError, match="raise builds"):
            builder.build(order, lambda _: None)
    else:
        builder.build(order, lambda _: None)
    assert builder.ran == ran


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import os; os.kill(os.getpid(), 9)", RunLostError),
        ("raise ValueError('a bug')", RunLostError),
        ("import sys; print('error: no such list', file=sys.stderr); sys.exit(2)", HarkenError),
    ],
)
def test_a_run_that_refuses_its_input_is_told_from_one_that_is_lost(code: str, kind: type[HarkenError]) -> None:
    with pytest.raises(HarkenError) as raised:
        list(follow([sys.executable, "-c", code], {}))
    assert type(raised.value) is kind
