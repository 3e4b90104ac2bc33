from serve.backend import Segment
from serve.subtitles import srt, vtt

_SEGMENTS = (
    Segment(0.0, 1.5, " 喜欢 speedy\n\n20 "),
    Segment(1.5, 1.6, "  "),
    Segment(3661.0004, 3662.9996, "a --> b <i> & c"),
)


def test_srt() -> None:
    assert srt(_SEGMENTS) == (
        "1\n00:00:00,000 --> 00:00:01,500\n喜欢 speedy 20\n\n2\n01:01:01,000 --> 01:01:03,000\na -> b <i> & c\n"
    )
    assert srt(()) == ""


def test_vtt() -> None:
    assert vtt(_SEGMENTS) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n喜欢 speedy 20\n\n"
        "01:01:01.000 --> 01:01:03.000\na -&gt; b &lt;i&gt; &amp; c\n"
    )
    assert vtt(()) == "WEBVTT\n"
