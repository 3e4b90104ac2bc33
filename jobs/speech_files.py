"""The files that decide how something sounds when it is spoken, beside the settings."""

from harken.digests import file_digest, folder_digest
from harken.settings import SpeechSettings, VoiceSettings


def speech_files(speech: SpeechSettings, voices: VoiceSettings) -> list[str]:
    """Digests of the files that decide what is heard: voices to be imitated and noise.

    Raises:
        HarkenError: one is missing.
    """
    references = speech.chattts.references.values() if speech.chattts else ()
    return [*(file_digest(reference.audio) for reference in references), *_noise_digests(voices)]


def _noise_digests(voices: VoiceSettings) -> list[str]:
    folder = voices.augmentation.noise_folder
    if folder is None or voices.augmentation.noise_probability == 0:
        return []
    from harken.noise_folder import noise_files

    return [folder_digest(folder, noise_files(folder))]
