"""The last step of `jobs.keywords`: what a search of a glossary needs beside the spotter, and how much it finds.

``search.json`` and ``search.safetensors`` are the search model (`compression.search_model`); ``recall.json`` says how
many of the said terms are among the first 1, 10, 100 and 500 of each stage's list, by set, length and glossary size.
"""

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from compression.background import background_frames
from compression.compressed import spliced
from compression.inventory import Inventory, Term, Utterance
from compression.search_calibration import calibrate
from compression.search_model import SETTINGS_FILE, WEIGHTS_FILE, SearchModel
from compression.search_recall import SHORTLISTS, Glossary, ranks, scored_utterances
from compression.search_training import train_search_model
from compression.span_corpus import SpanCorpus
from compression.stage_scores import Enrolments
from compression.storage import load_spotter
from harken.config import dump_yaml
from harken.digests import file_digest, model_digest
from harken.records import fingerprint, write_json
from harken.search_settings import SearchSettings
from harken.spotter_settings import Variant
from harken.spotting_settings import SpottingSettings
from harken.stages import Stage
from harken.whisper import load_whisper
from jobs.flow import exclusive
from jobs.keyword_corpus import span_corpus
from jobs.keyword_data import read_set
from jobs.keyword_evaluation import length_group
from jobs.keyword_sets import KeywordSet
from jobs.progress import note

# Raised by one when the code changes what a stage arrives at.
REVISIONS = {"search": 1, "calibration": 4}
SEARCHED: Variant = "LHF"
"""The variant whose glossaries are searched."""
SEARCH, RECALL = "search", "recall.json"
STAGES = ("span", "path")

Row = dict[str, Any]


def train_search(
    run: SpottingSettings,
    settings: SearchSettings,
    spotter_folder: Path,
    training: KeywordSet,
    validation: KeywordSet,
    tests: Mapping[str, KeywordSet],
) -> Path:
    """Bring the search model of a spotter to completion; returns its folder, which holds the recall as well.

    Raises:
        HarkenError: no said term has a recording, or fewer recordings than centroids.
    """
    files = [file_digest(file) for file in sorted(spotter_folder.iterdir()) if file.name.startswith("spotter.")]
    decides = settings.model_dump(mode="json", exclude={"calibration", "enrolments"})
    digest = fingerprint("search", REVISIONS["search"], files, decides, training.content(), run.run.seed)
    trained = Stage.under(run.run.output, f"search-{SEARCHED}", digest, 0)
    sets = (training, validation, *tests.values())
    content = (model_digest(run.model), settings.model_dump(mode="json"), [part.content() for part in sets])
    digest = fingerprint("calibration", REVISIONS["calibration"], digest, *content, run.run.seed)
    calibrated = Stage.under(run.run.output, f"calibration-{SEARCHED}", digest, 0)
    _complete(run, trained, lambda: _train(run, settings, spotter_folder, training, trained))
    _complete(run, calibrated, lambda: _calibrate(run, settings, spotter_folder, trained, sets, calibrated))
    return calibrated.directory


def copy_search(stage: Path, target: Path) -> None:
    """Copy what `train_search` made."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (SETTINGS_FILE, WEIGHTS_FILE, RECALL):
        shutil.copy2(stage / name, target / name)


def print_recall(folder: Path, console: Console) -> None:
    """The table of `RECALL`: all lengths together, a line for each set, glossary size and stage."""
    found = json.loads((folder / RECALL).read_text(encoding="utf-8"))
    table = Table(title="recall of the search's first two stages, each alone")
    for name in ("set", "glossary", "stage", "said", *(f"first {count}" for count in SHORTLISTS)):
        table.add_column(name, justify="left" if name in ("set", "stage") else "right")
    for row in found["rows"]:
        if row["length"] is None:
            recalls = (f"{row['recall'][str(count)]:.3f}" for count in SHORTLISTS)
            table.add_row(row["set"], f"{row['glossary']:,}", row["stage"], str(row["said"]), *recalls)
    console.print(table)


def _complete(run: SpottingSettings, stage: Stage, work: Callable[[], Mapping[str, Any]]) -> None:
    if stage.complete():
        note(f"{stage.name}: skipped, {stage.directory / SETTINGS_FILE} is there")
        return
    with exclusive(stage):
        stage.begin(dump_yaml(run))
        began = time.monotonic()
        # Its tensors are small: threads would wait for one another.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            figures = work()
        finally:
            torch.set_num_threads(threads)
        stage.finish(time.monotonic() - began, figures)


def _train(
    run: SpottingSettings, settings: SearchSettings, folder: Path, training: KeywordSet, stage: Stage
) -> Mapping[str, Any]:
    spotter = load_spotter(folder)
    corpus = span_corpus(training, read_set(training), spotter)
    model = train_search_model(spotter, corpus, settings, run.run.seed, lambda told: note(f"{stage.name}: {told}"))
    model.save(stage.directory)
    return {"fingerprint": model.fingerprint()}


def _calibrate(
    run: SpottingSettings,
    settings: SearchSettings,
    folder: Path,
    trained: Stage,
    sets: Sequence[KeywordSet],
    stage: Stage,
) -> Mapping[str, Any]:
    spotter = load_spotter(folder)
    model = SearchModel.load(trained.directory, spotter)
    data = {part.name: read_set(part) for part in sets}
    corpora = {part.name: span_corpus(part, data[part.name], spotter) for part in sets}
    training, validation = sets[0].name, sets[1].name
    heard = {
        name: [(one, corpora[name].utterances[one.name]) for one in data[name].utterances]
        for name in corpora
        if name != training
    }
    known = _enrolled([corpora[training], corpora[validation]], {})
    tested = _enrolled([corpora[part.name] for part in sets[2:]], known)
    made_up = max(0, settings.enrolments - len(known) - len(tested))
    recordings = [recording for _, recording in known.values()]
    parts = [Enrolments.of(model, recordings)]
    if tested:
        parts.append(Enrolments.of(model, [recording for _, recording in tested.values()]))
    splices = spliced(recordings, made_up, run.run.seed)
    ends = [Enrolments.of(model, splices)] if splices else []
    note(f"{stage.name}: {len(known) + len(tested)} terms and {len(splices)} made-up ones enrolled")
    # Tested terms have no part in the calibration, not even as others.
    fitted_on = _glossary(known, [parts[0], *ends])
    whisper = load_whisper(run.model, run.resources.device)
    silence = background_frames(whisper, spotter, settings.calibration.background, run.run.seed)
    calibration = calibrate(model, spotter, fitted_on, heard[validation], silence, settings.calibration)
    model = replace(model, calibration=calibration)
    model.save(stage.directory)
    found = _recall(model, _glossary(known | tested, [*parts, *ends]), heard)
    write_json(stage.directory / RECALL, found)
    return {"fingerprint": model.fingerprint(), "calibration": calibration.as_json()}


def _enrolled(corpora: Sequence[SpanCorpus], but: Mapping[str, Any]) -> dict[str, tuple[Term, Tensor]]:
    """Of each term its first synthesized recording, as a glossary is enrolled, where it is not there yet."""
    found: dict[str, tuple[Term, Tensor]] = {}
    for corpus in corpora:
        for term in corpus.terms:
            names = [name for name in term.synthesized if name in corpus.recordings]
            if names and term.text not in found and term.text not in but:
                found[term.text] = (term, corpus.recordings[names[0]])
    return found


def _glossary(terms: Mapping[str, tuple[Term, Tensor]], parts: Sequence[Enrolments]) -> Glossary:
    return Glossary(Inventory(term for term, _ in terms.values()), tuple(terms), Enrolments.joined(*parts))


def _recall(
    model: SearchModel, glossary: Glossary, heard: Mapping[str, Sequence[tuple[Utterance, Tensor]]]
) -> dict[str, Any]:
    rows: list[Row] = []
    sizes = glossary.sizes([len(glossary)])
    for name, utterances in heard.items():
        places: dict[tuple[str | None, str], list[list[int]]] = defaultdict(list)
        for _, said, scores in scored_utterances(model, glossary, utterances):
            for one in said:
                for stage in STAGES:
                    found = ranks(getattr(scores, stage), one, sizes)
                    places[None, stage].append(found)
                    places[length_group(one.text), stage].append(found)
        for (length, stage), found in sorted(places.items(), key=lambda item: (item[0][0] or "", item[0][1])):
            for size, of_size in zip(sizes, np.array(found).T, strict=True):
                recall = {str(count): float((of_size <= count).mean()) for count in SHORTLISTS}
                named = {"set": name, "length": length, "stage": stage, "glossary": size}
                rows.append(named | {"said": len(of_size), "recall": recall})
    return {"rows": rows}
