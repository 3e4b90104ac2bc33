"""What the systems of a run hear with a glossary: the columns ``biased`` and ``adapted_biased`` of an evaluation."""

import time
from typing import Any

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.settings import PipelineSettings
from harken.sources import Parts
from harken.stages import Stage
from jobs.plan import Plan, Speech
from jobs.progress import note


def make_glossary(plan: Plan) -> None:
    """Bring the glossary of the run's own terms to completion, where there is none given.

    Raises:
        HarkenError: what ``python -m jobs.glossary build`` raises.
    """
    glossary = plan.glossary
    if glossary is None or glossary.stage is None:
        return
    stage, recipe = glossary.stage, glossary.recipe
    assert recipe is not None
    if glossary.complete():
        note(f"{stage.name}: skipped, {stage.record()['entries']} entries are there")
        return
    from compression.glossary.store import GlossaryStore
    from jobs.flow import exclusive
    from jobs.glossary import build

    with exclusive(stage):
        stage.begin(dump_yaml(recipe))
        began = time.monotonic()
        build(recipe)
        manifest = GlossaryStore(glossary.folder).manifest
        stage.finish(time.monotonic() - began, {"version": manifest.version, "entries": manifest.entries})


def transcribe_biased(plan: Plan, speech: Speech, system: str) -> Stage:
    """Bring to completion what ``system`` ('biased' or 'adapted_biased') hears in a set of utterances.

    'biased' searches the glossary; 'adapted_biased' decodes with the adapted model by what that search detected.

    Raises:
        HarkenError: models and glossary do not fit each other, or the glossary's version is gone.
    """
    from actors.biased_rows import BIASED_SCHEMA
    from actors.biased_transcriber import BiasedTranscriber, GuidedTranscriber
    from jobs.flow import run_stage

    settings = plan.settings
    stage = plan.hypotheses(speech, system)
    run: dict[str, Any] = {
        "workers": settings.decoding.workers,
        "gpus_per_worker": settings.decoding.gpus_per_worker,
    }
    spoken = speech.stage.parts()
    if system == "biased":
        source = Parts(spoken, ["id", "audio", "sample_rate", "status", "error"])
        arguments = {} if stage.complete() else _searching(plan)
        run_stage(settings, stage, source, BiasedTranscriber, arguments, BIASED_SCHEMA, **run)
    else:
        # The spotter learnt from the un-tuned model's encoder: what it detects is not looked for anew.
        searched = plan.hypotheses(speech, "biased")
        if not searched.complete():
            transcribe_biased(plan, speech, "biased")
        columns = ["id", "speech", "terms", "status", "error"]
        source = Parts(searched.parts(), columns, beside={"audio": spoken, "sample_rate": spoken})
        arguments = {"model": str(plan.adapted_model().absolute()), **_decoding(settings)}
        run_stage(settings, stage, source, GuidedTranscriber, arguments, BIASED_SCHEMA, **run)
    return stage


def _searching(plan: Plan) -> dict[str, Any]:
    biasing, glossary = plan.settings.biasing, plan.glossary
    assert biasing is not None
    assert glossary is not None
    return {
        "model": plan.settings.model,
        "spotter": biasing.spotter.absolute(),
        "search": biasing.search_folder.absolute(),
        "glossary": glossary.folder.absolute(),
        "version": glossary.version,
        "cascade": biasing.cascade,
        "vad": biasing.vad,
        **_decoding(plan.settings),
    }


def _decoding(settings: PipelineSettings) -> dict[str, Any]:
    decoding, biasing = settings.decoding, settings.biasing
    assert biasing is not None
    return {
        "rules": biasing.rules,
        "language": decoding.language,
        "batch_size": decoding.batch_size,
        "max_new_tokens": decoding.max_new_tokens,
        "device": decoding.device,
    }


def check_biasing(settings: PipelineSettings) -> None:
    """Find out before anything runs whether models and glossary are there and fit each other.

    Raises:
        HarkenError: a file is missing or damaged, the spotter is for another encoder, the search model for another
            spotter, or the store was made with other models; nobody knows how the language sounds; or a recipe has an
            unknown voice or key, or makes no glossary of the keywords.
    """
    from actors.phoneme_reader import espeak_voice
    from actors.phonetics import Phonetics
    from compression.encoder import read_encoder_shape
    from compression.glossary.manifest import Models, check_models, read_manifest
    from compression.search_model import SearchModel
    from compression.storage import load_spotter
    from harken.digests import model_digest
    from jobs.searched_glossary import searched_glossary

    biasing = settings.biasing
    assert biasing is not None
    glossary = searched_glossary(settings)
    Phonetics(espeak_voice(settings.decoding.language).lower())
    spotter = load_spotter(biasing.spotter)
    spotter.check_encoder(read_encoder_shape(settings.model))
    search = SearchModel.load(biasing.search_folder, spotter)
    if biasing.store is not None:
        manifest = read_manifest(biasing.store)
        models = Models(encoder=model_digest(settings.model), spotter=search.spotter, search=search.fingerprint())
        check_models(manifest.description.models, models, biasing.store)
        if not manifest.entries:
            raise HarkenError("biasing.store", str(biasing.store), "It holds no terms: add some first.")
    if glossary.recipe is not None:
        from actors.tts.backends import build_synthesizer, check_voices
        from harken.glossary_terms import read_glossary

        read_glossary(glossary.recipe.terms.path, glossary.recipe.terms.skip_bad)
        for engine in glossary.recipe.engines.values():
            check_voices(build_synthesizer(engine.speech), engine.speech.voices)
