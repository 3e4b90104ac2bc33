"""Checks before the first stage: every input of every stage is there and usable."""

import os
import shutil
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import load_keywords
from harken.model_folder import locate_model
from harken.portraits.known import known_labels
from harken.records import read_manifest
from harken.settings import PipelineSettings
from jobs.labels import read_seeds

# A run that fills the disk half-way helps nobody; FLAC speech takes about 20 kB a second.
BYTES_PER_SPOKEN_SECOND = 20_000
TYPICAL_SECONDS = 6
SPARE_BYTES = 500 * 1024 * 1024


def preflight(settings: PipelineSettings) -> None:
    """Raise the first problem found in the configuration's inputs, cheapest checks first.

    Raises:
        HarkenError: a broken keyword, seed, pronunciation, label, product, test or noise file, an unknown voice, a
            model folder that is no Whisper, a HanLP folder that does not load, a spotter or glossary of other models, a
            relative output folder inside a packaged Ray job, or too little disk.
    """
    _check_output(settings)
    keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
    read_seeds(settings, keywords)
    _check_manifests(settings)
    if settings.portraits:
        known_labels(settings.keywords, settings.portraits)
    _check_voices(settings)
    _check_segmenters(settings)
    locate_model(settings.model)
    _check_judge(settings)
    if settings.biasing:
        from jobs.biasing import check_biasing

        check_biasing(settings)
    _check_disk(settings)


def _check_output(settings: PipelineSettings) -> None:
    output = settings.run.output
    # `ray job submit --working-dir` runs in a temporary copy that Ray deletes: results written there are lost.
    if not output.is_absolute() and "runtime_resources" in Path.cwd().parts:
        remedy = "A submitted job runs in a temporary copy: give storage that stays, --set run.output=/shared/..."
        raise HarkenError("run.output", str(output), remedy)


def _check_manifests(settings: PipelineSettings) -> None:
    evaluate, finetune = settings.evaluate, settings.finetune
    learnt = (finetune.replay.manifest, finetune.real.manifest, finetune.real.dev)
    for path in (*learnt, evaluate.domain, evaluate.general):
        if path is None:
            continue
        for row in read_manifest(path):
            audio = row.get("audio")
            if audio and not (path.parent / audio).is_file():
                raise HarkenError(f"recording of {row['id']} in {path}", audio, "The file does not exist.")


def _check_voices(settings: PipelineSettings) -> None:
    from actors.augmenter import Augmenter
    from actors.pronunciation import load_pronunciations
    from actors.tts.backends import build_synthesizer, check_phonemes, check_voices

    chattts = settings.speech.chattts
    if chattts and chattts.python and not os.access(chattts.python, os.X_OK):
        # Ray would wait for such a worker for ever.
        remedy = "It is no program here: give the interpreter of ChatTTS's environment, the same path on every node."
        raise HarkenError("speech.chattts.python", str(chattts.python), remedy)
    synthesizer = build_synthesizer(settings.speech)
    lexicon = settings.keywords.pronunciations
    pronunciations = load_pronunciations(lexicon) if lexicon else {}
    real = settings.finetune.real.voices
    for voices in (settings.speech.voices, settings.evaluate.voices, *([real] if real else [])):
        check_voices(synthesizer, voices)
        check_phonemes(synthesizer, settings.speech, voices, pronunciations)
        Augmenter(voices.augmentation).check()


def _check_segmenters(settings: PipelineSettings) -> None:
    evaluate = settings.evaluate
    if evaluate.hanlp_model:
        from harken.metrics import load_segmenters

        load_segmenters(evaluate.segmenters, evaluate.hanlp_model)


def _check_judge(settings: PipelineSettings) -> None:
    from actors.phonetics import Phonetics
    from jobs.judge import phonetic_language

    if settings.judge.second and settings.judge.second.model:
        locate_model(settings.judge.second.model)
    if settings.judge.method == "carrier":
        Phonetics(phonetic_language(settings.decoding.language))


def _check_disk(settings: PipelineSettings) -> None:
    folder = settings.run.output
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise HarkenError("run.output", str(settings.run.output), f"{folder} cannot be written.")
    needed = settings.labels.count * TYPICAL_SECONDS * BYTES_PER_SPOKEN_SECOND + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        remedy = f"It has {free / 1e9:.1f} GB free and this run needs about {needed / 1e9:.1f} GB: choose another disk."
        raise HarkenError("run.output", str(settings.run.output), remedy)
