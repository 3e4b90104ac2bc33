"""Which synthesizer the settings name, and whether it can do what they ask; a backend is imported when chosen."""

import difflib
from collections.abc import Mapping, Sequence

from actors.tts.interface import Capabilities, SpeechRequest, Synthesizer
from actors.tts.phonemes import groups
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.speech_settings import SpeechSettings, VoiceSettings


def build_synthesizer(speech: SpeechSettings) -> Synthesizer:
    """The backend that ``speech.backend`` names, ready to speak.

    Raises:
        HarkenError: a missing program, package, key, or folder of weights; a language it does not speak.
    """
    synthesizer = _build(speech)
    check_language(synthesizer.capabilities(), speech)
    return synthesizer


def _build(speech: SpeechSettings) -> Synthesizer:
    if speech.openai:
        from actors.tts.openai_speech import OpenAISpeechSynthesizer

        return OpenAISpeechSynthesizer(speech.openai)
    if speech.command:
        from actors.tts.command import CommandSynthesizer

        return CommandSynthesizer(speech.command, speech.language)
    if speech.chattts:
        from actors.tts.chattts import ChatTTSSynthesizer

        return ChatTTSSynthesizer(speech.chattts)
    if speech.backend == "flite":
        from actors.tts.flite import FliteSynthesizer

        return FliteSynthesizer(SAMPLE_RATE)
    from actors.tts.espeak import EspeakSynthesizer

    return EspeakSynthesizer(SAMPLE_RATE, speech.language)


def utterances_per_process(speech: SpeechSettings) -> int | None:
    """After how many utterances a process should be given up, for a backend that loses memory with each."""
    if speech.backend != "espeak":
        return None
    from actors.tts.espeak import UTTERANCES_PER_PROCESS

    return UTTERANCES_PER_PROCESS


def check_language(capabilities: Capabilities, speech: SpeechSettings) -> None:
    """Raise the error that names a language the backend does not speak."""
    known = capabilities.languages
    if known and speech.language.lower() not in {language.lower() for language in known}:
        nearest = difflib.get_close_matches(speech.language, sorted(known), n=3, cutoff=0.0)
        remedy = f"The backend {speech.backend} does not speak it; near ones: {', '.join(nearest)}."
        raise HarkenError("speech.language", speech.language, remedy)


def check_voices(synthesizer: Synthesizer, voices: VoiceSettings) -> None:
    """Raise the error that names the first speaker the backend does not know or variation it cannot make."""
    capabilities = synthesizer.capabilities()
    known = synthesizer.speakers()
    for speaker in () if capabilities.any_speaker else voices.speakers:
        if speaker not in known:
            nearest = difflib.get_close_matches(speaker, known, n=3, cutoff=0.0)
            raise HarkenError("voice", speaker, f"The backend does not know it; near ones: {', '.join(nearest)}.")
    if len(voices.speakers) > 1 and not capabilities.per_row_speaker:
        raise HarkenError("voices.speakers", voices.speakers, "The backend has one voice: name one.")
    for option, none in (("rate", (1.0, 1.0)), ("pitch", (0.0, 0.0)), ("intonation", (1.0, 1.0))):
        value = getattr(voices, option)
        asked_for = option in voices.model_fields_set and value != none
        if asked_for and option not in capabilities.adjusts:
            remedy = f"The backend cannot vary it: leave voices.{option} out."
            raise HarkenError(f"voices.{option}", value, remedy)
    if voices.accents and "accent" not in capabilities.adjusts:
        raise HarkenError("voices.accents", voices.accents, "The backend takes no accent: leave voices.accents out.")


def check_phonemes(
    synthesizer: Synthesizer,
    speech: SpeechSettings,
    voices: VoiceSettings,
    pronunciations: Mapping[str, Sequence[str]],
) -> None:
    """Raise the error that names the first term, reading and backend that cannot read its phonemes."""
    able = "phoneme" in synthesizer.capabilities().control
    for term, reading in ((term, reading) for term, readings in pronunciations.items() for reading in readings):
        found = groups(reading)
        if found and not able:
            remedy = f"The backend {speech.backend} reads no phonemes: spell the reading in letters."
            raise HarkenError(f"pronunciation of {term!r}", reading, remedy)
        for speaker in voices.speakers if found else ():
            request = SpeechRequest(term, term, " ".join(found), speaker)
            left_out = synthesizer.unreadable(request)
            if left_out:
                remedy = f"The backend {speech.backend} does not know all of its phonemes in the voice {speaker}."
                raise HarkenError(f"pronunciation of {term!r}", left_out[0], remedy)
