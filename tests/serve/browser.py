"""Chromium without a window, whose microphone plays a file."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'playwright>=1.50,<2'"
)

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def chromium(spoken: Path) -> Iterator["playwright.Browser"]:
    """A browser that hears `spoken` (WAV) from its microphone; skips the test where none is installed."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(_PROGRAMS)} (Debian: apt install chromium)")
    heard = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
        # Its own sandbox cannot be made inside of many containers; the page it opens is ours.
        "--no-sandbox",
        "--disable-gpu",
    ]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=heard)
        try:
            yield browser
        finally:
            browser.close()
