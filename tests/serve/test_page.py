"""The page at `/` in a browser: what a person does there, what it shows, and what it must not load or run."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from harken.audio import SAMPLE_RATE
from harken.detection import Detection
from serve.backend import BiasedTerm, Search, Transcription, TranscriptionRequest
from serve.keys import SCOPES, KeyStore
from tests.serve.browser import chromium, playwright
from tests.serve.service import NanoBackend, Server, running, speech, wait_for_build

expect = playwright.expect
_SAID = "我们今天去商店买东西"
_UNBIASED = "我们今天去伤电买东西<b>𠮷</b>"
_HEARD = "我们今天去商店买东西<b>𠮷</b>"
# The tests of the page wait for a model on what may be a busy machine.
_PATIENCE = 120_000


class ListeningBackend(NanoBackend):
    """Hears the words of a glossary in what the embedded Whisper hears, so that the page has something to show."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        found = await super().transcribe(request)
        if request.glossary is None:
            return found
        start = _HEARD.index("商店")
        detection = Detection("商店", 0.8, 1.3, 0.93, ("商店", "<i>店</i>"), {"span": 0.812, "verifier": 4.25}, "PLACE")
        right = Detection("今天", 0.3, 0.6, 0.81, ("今天",), {"span": 0.7})
        wrong = Detection("<img src=x onerror=alert(1)>", 0.1, 0.2, 0.11, (), {})
        terms = (
            BiasedTerm(detection, "applied", "it sounds like that", start, start + 2, "伤电"),
            BiasedTerm(right, "already right", "", _HEARD.index("今天"), _HEARD.index("今天") + 2, ""),
            BiasedTerm(wrong, "rejected", "its words were surer", None, None, ""),
        )
        search = Search(2, 2)
        return dataclasses.replace(found, text=_HEARD, unbiased=_UNBIASED, terms=terms, search=search)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("page"), ListeningBackend(2), limits={"upload_bytes": 2_000_000}) as server:
        with server.client() as client:
            client.post("/v1/glossaries", json={"name": "not built"})
            made = client.post("/v1/glossaries", json={"name": "shop"}).json()
            sent = client.post(f"/v1/glossaries/{made['id']}/terms", json={"term": "商店"})
            wait_for_build(client, sent.json()["build"])
        yield server


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentence as WAV."""
    path = tmp_path_factory.mktemp("page") / "spoken.wav"
    soundfile.write(path, speech(_SAID), SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def browser(recording: Path) -> Iterator["playwright.Browser"]:
    with chromium(recording) as browser:
        yield browser


class Visit:
    """A page that is open, everything it asked for and everything it complained of."""

    def __init__(self, browser: "playwright.Browser", url: str, **options: object) -> None:
        self.context = browser.new_context(permissions=["microphone"], **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda failure: self.complaints.append(str(failure)))
        self.page.goto(url)

    def choose(self, glossary: str) -> None:
        option = self.page.locator("#glossary option", has_text=glossary)
        option.wait_for(state="attached")
        self.page.get_by_label("Glossary").select_option(value=option.get_attribute("value"))

    def transcribe(self) -> None:
        self.page.get_by_role("button", name="Transcribe").click()


@pytest.fixture
def visit(browser: "playwright.Browser", server: Server) -> Iterator[Visit]:
    opened = Visit(browser, server.url)
    yield opened
    opened.context.close()
    # Whatever was done: nothing from elsewhere, and nothing against the page's own policy.
    foreign = [url for url in opened.asked if not url.startswith((server.url, f"blob:{server.url}", "data:"))]
    assert foreign == []
    assert [text for text in opened.complaints if "Content Security Policy" in text] == []


def test_an_upload_becomes_a_transcript_with_its_terms_beside_the_plain_text(visit: Visit, recording: Path) -> None:
    page = visit.page
    expect(page.get_by_role("button", name="Transcribe")).to_be_disabled()
    page.get_by_label("Audio file").set_input_files(recording)
    visit.choose("shop")
    visit.transcribe()
    expect(page.locator("#text")).to_have_text(_HEARD)
    expect(page.locator("#unbiased")).to_have_text(_UNBIASED)
    applied, right = page.locator("#text button.term.applied"), page.locator("#text button.term.right")
    expect(applied).to_have_text("商店")
    expect(right).to_have_text("今天")
    expect(applied).to_have_attribute("data-percent", "93\u00a0%")
    expect(page.locator("#unbiased mark")).to_have_text("伤电")
    for told in ("93", "applied", "it sounds like that", "伤电", "PLACE", "0.80 to 1.30 s", "0.812"):
        applied.click()
        expect(page.get_by_role("region", name="Why this term")).to_contain_text(told)
        page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Why this term")).to_be_hidden()
    page.get_by_text("Everything that was listened to").click()
    expect(page.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("row", name=re.compile("rejected: its words were surer"))).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("2 of 2 shards answered")
    # What a glossary or a transcript holds is text, whatever it looks like.
    assert page.locator("#result img, #result b, #result i:not(.bar i)").count() == 0
    assert visit.complaints == []


def test_what_is_recorded_is_heard(visit: Visit, server: Server) -> None:
    page = visit.page
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("button", name="Stop")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(3_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#chosen")).to_have_text(re.compile("^Recording"))
    visit.transcribe()
    expect(page.locator("#text")).not_to_be_empty()
    heard = server.service.backend.asked[-1].wave
    assert len(heard) > SAMPLE_RATE
    assert abs(heard).max() > 0.01


def test_the_keyboard_reaches_everything(visit: Visit, recording: Path) -> None:
    page = visit.page
    page.get_by_label("Audio file").set_input_files(recording)
    visit.choose("shop")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    wanted = ["choose", "record", "glossary", "keywords", "language", "key", "transcribe"]
    assert [name for name in dict.fromkeys(reached) if name in wanted] == wanted
    page.get_by_role("button", name="Transcribe").press("Enter")
    term = page.locator("#text button.term.applied")
    term.focus()
    page.keyboard.press("Enter")
    expect(term).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#why")).to_contain_text("it sounds like that")


def test_errors_are_told_in_the_page(visit: Visit, server: Server, recording: Path) -> None:
    page, alert = visit.page, visit.page.get_by_role("alert")
    page.get_by_label("Audio file").set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"no audio"})
    visit.transcribe()
    expect(alert).to_contain_text("send WAV, FLAC, MP3 or Ogg")
    large = {"name": "b.wav", "mimeType": "audio/wav", "buffer": recording.read_bytes()[:44] + bytes(3_000_000)}
    page.get_by_label("Audio file").set_input_files(large)
    expect(alert).to_be_hidden()
    visit.transcribe()
    expect(alert).to_contain_text("larger than the 2,000,000 bytes")
    page.get_by_label("Audio file").set_input_files({"name": "c.m4a", "mimeType": "audio/mp4", "buffer": b"no audio"})
    expect(alert).to_contain_text("This browser cannot read c.m4a")
    page.get_by_label("Audio file").set_input_files(recording)
    page.get_by_label("API key").fill("hk_wrong")
    visit.transcribe()
    expect(alert).to_contain_text("The API key is not valid")
    visit.context.set_offline(True)
    visit.transcribe()
    expect(alert).to_contain_text("The service cannot be reached")
    visit.context.set_offline(False)
    page.get_by_label("API key").fill(KeyStore(server.service.database).create("acme", "page", SCOPES))
    visit.transcribe()
    expect(page.locator("#result")).to_be_visible()
    expect(alert).to_be_hidden()


def test_only_glossaries_that_are_built_can_be_picked(visit: Visit) -> None:
    unbuilt = visit.page.locator("#glossary option", has_text="not built")
    unbuilt.wait_for(state="attached")
    assert unbuilt.is_disabled()


def test_scripts_that_are_not_the_pages_own_do_not_run(visit: Visit, server: Server) -> None:
    page = visit.page
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    page.evaluate("fetch('https://example.invalid/').catch(() => null)")
    assert page.evaluate("window.ran") is None
    for directive in ("script-src", "connect-src"):
        assert any(directive in text for text in visit.complaints)
    assert not any("example.invalid" in url for url in visit.asked)
    visit.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [340, 1200])
def test_the_page_fits_and_can_be_read(
    browser: "playwright.Browser", server: Server, recording: Path, tmp_path: Path, scheme: str, width: int
) -> None:
    opened = Visit(browser, server.url, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = opened.page
    page.get_by_label("Audio file").set_input_files(recording)
    opened.choose("shop")
    opened.transcribe()
    page.locator("#text button.term.applied").click()
    page.get_by_text("Everything that was listened to").click()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    # WCAG 2.1, 1.4.3: 4.5 to 1 for text of this size.
    assert page.evaluate(_CONTRASTS) == []
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    opened.context.close()


_CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue].map((value) => value / 255)
    .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const back = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.disabled || element.tagName === "OPTION") continue;
    const [one, other] = [light(numbers(getComputedStyle(element).color)), light(back(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) found.push(element.outerHTML.slice(0, 80));
  }
  return found;
}"""
