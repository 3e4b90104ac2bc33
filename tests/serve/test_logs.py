import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.errors import HarkenError
from serve.console import LogFollower
from serve.logs import LogSettings, configure
from tests.serve.service import NANO, NanoBackend, running


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The loggers as they were: other tests watch them by way of the root logger."""
    root, access = logging.getLogger("harken"), logging.getLogger("harken.access")
    before = list(root.handlers), root.level, root.propagate, access.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, root.propagate = before[0], before[1], before[2]
    access.setLevel(before[3])


def say() -> None:
    logging.getLogger("harken.builds").info("built in %.1f s", 2.0)
    logging.getLogger("harken.search").debug("opened")
    try:
        raise HarkenError("shard", 1, "It is lost.")
    except HarkenError:
        logging.getLogger("harken.search").warning("lost", exc_info=True)


def test_readable_lines_have_a_time_and_a_level_worth_looking_at(tmp_path: Path) -> None:
    configure(LogSettings(file=tmp_path / "logs" / "service.log"), "ingress")
    say()
    told = (tmp_path / "logs" / "service.log").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d built in 2.0 s", told[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning: lost", told[1])
    assert told[-1].endswith("It is lost.")


def test_json_lines_are_objects(tmp_path: Path) -> None:
    for _ in range(2):
        configure(LogSettings(file=tmp_path / "log", format="json", level="debug"), "shard-1")
    say()
    built, opened, lost = map(json.loads, (tmp_path / "log").read_text(encoding="utf-8").splitlines())
    assert (built["level"], built["part"], built["message"]) == ("info", "shard-1", "built in 2.0 s")
    assert opened["level"] == "debug"
    assert "It is lost." in lost["exception"]


@pytest.mark.parametrize("access", [True, False])
def test_requests_are_told_only_if_wanted_and_nothing_of_what_they_say(
    tmp_path: Path, backend: NanoBackend, spoken: bytes, access: bool
) -> None:
    configure(LogSettings(file=tmp_path / "log", format="json", access=access), "ingress")
    with running(tmp_path / "data", backend) as server, server.client("hk_secret") as client:
        sent = {"model": NANO, "prompt": "secret"}
        client.post("/v1/audio/transcriptions?a=secret", data=sent, files={"file": ("secret", spoken)})
        client.get("/v1/glossaries/secret")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    requests = [line for line in lines if "route" in line]
    assert len(requests) == (2 if access else 0)
    for line in requests:
        assert set(line) >= {"time", "level", "part", "request", "method", "route", "status", "seconds", "bytes"}
    assert "secret" not in json.dumps(lines)


def test_what_is_added_to_a_log_is_shown_in_whole_lines(tmp_path: Path) -> None:
    path, shown = tmp_path / "log", io.StringIO()
    path.write_text("of yesterday\n", encoding="utf-8")
    follower = LogFollower(path, shown)
    with path.open("a", encoding="utf-8") as log:
        log.write("第一行\nhalf")
    follower.stop()
    assert shown.getvalue() == "第一行\n"
    assert LogFollower(tmp_path / "nothing", shown).stop() is None
