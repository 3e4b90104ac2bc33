"""Shared by the tests of the service: one embedded Whisper, one spoken sentence, one service without keys."""

from collections.abc import Iterator

import pytest

from tests.serve.service import NanoBackend, Server, running, speech_file


@pytest.fixture(scope="session")
def backend() -> NanoBackend:
    return NanoBackend()


@pytest.fixture(scope="session")
def spoken() -> bytes:
    """A Mandarin sentence of about two seconds as FLAC."""
    return speech_file()


@pytest.fixture(scope="session")
def open_service(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    """On a loopback address, without keys."""
    with running(tmp_path_factory.mktemp("service"), backend) as server:
        yield server
