"""A command-line synthesizer for tests: ``python espeak_program.py OUTPUT VOICE WORDS_PER_MINUTE SEED TEXT``.

Some texts make it fail: 崩溃 (exit status 1), 卡住 (hangs), 空白 (writes nothing).
"""

import sys
import time
from pathlib import Path

import soundfile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from actors.tts.espeak import EspeakSynthesizer  # noqa: E402
from actors.tts.interface import SpeechRequest  # noqa: E402


def main(output: str, voice: str, words_per_minute: str, seed: str, text: str) -> None:
    if text == "崩溃":
        sys.exit("no such luck\nreally")
    if text == "卡住":
        time.sleep(60)
    if text == "空白":
        return
    request = SpeechRequest("row", text, text, voice, float(words_per_minute) / 175, seed=int(seed))
    result = EspeakSynthesizer(22_050).synthesize([request])[0]
    soundfile.write(output, result.wave, result.sample_rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
