"""The cells of a grid: which fine-tunings there are, what each one trains on, and bringing one to completion.

Every cell is a `Plan` in the same output folder, so what two cells have in common has one fingerprint and is made
once: the labels and the speech of a training set, what the un-tuned model hears, the test sets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from harken.config import load_config
from harken.errors import HarkenError
from harken.grid_settings import BASE, GridSettings, VariantSettings
from harken.settings import PipelineSettings
from harken.stages import Stage
from jobs.plan import Plan, Speech
from jobs.progress import note

GENERAL = "general"
"""The test set that the forgetting gate is on."""


@dataclass(frozen=True)
class Point:
    """A point of a sweep's curve: a variant with a value of the swept key, and the cell that is it."""

    sweep: str
    key: str
    variant: str
    value: float
    cell: "Cell"


@dataclass(frozen=True)
class Cell:
    """One system and row of the grid: a model as it comes (variant 'base') or fine-tuned on its training sets."""

    name: str
    model: str
    variant: str
    plan: Plan
    train_on: tuple[str, ...] = ()

    @property
    def trained(self) -> bool:
        """False for the row of the un-tuned model."""
        return self.variant != BASE

    def hypotheses(self, speech: Speech) -> Stage:
        """What this system hears in a test set."""
        return self.plan.hypotheses(speech, "adapted" if self.trained else "base")


class Cells:
    """The cells of a grid and the test sets that all of them are measured on.

    Raises:
        HarkenError: a broken configuration, override or input file, a voice that is trained on and tested with, or a
            sweep that changes nothing.
    """

    def __init__(self, grid: GridSettings) -> None:
        self.grid = grid
        self.shared = [*grid.set, f"run.output={grid.output}"]
        self.base = load_config(grid.config, self.shared, PipelineSettings)
        self.models = grid.models or {self.base.model.rstrip("/").rsplit("/", 1)[-1]: self.base.model}
        self.cells = list(self._expand())
        self.points = list(self._sweep())
        self._check_voices()
        self._check_sweeps()

    @cached_property
    def tests(self) -> dict[str, Speech]:
        """The test sets by name, 'domain' first."""
        plan = Plan(self.base)
        tests = {"domain": plan.domain, **({GENERAL: plan.general} if plan.general else {})}
        for name, test in self.grid.tests.items():
            tests[name] = plan.test_set(name, test.manifest, test.voices or self.base.evaluate.voices)
        return tests

    def named(self, model: str, variant: str) -> str:
        """The name of a row: the variant's, after the model's when there are several."""
        if len(self.models) == 1:
            return variant
        return model if variant == BASE else f"{model}-{variant}"

    def _expand(self) -> Iterator[Cell]:
        for model, path in self.models.items():
            chosen = [f"model={path}"]
            yield Cell(self.named(model, BASE), model, BASE, Plan(self._settings(chosen)))
            for name, variant in self.grid.rows().items():
                plan = self._plan(chosen, variant)
                yield Cell(self.named(model, name), model, name, plan, variant.train_on or (name,))

    def _sweep(self) -> Iterator[Point]:
        """The points of every curve in the order of their values, the variant's own among them if it is a number."""
        cells = {(cell.model, cell.variant): cell for cell in self.cells}
        for model in self.models:
            for name, sweep in self.grid.sweeps.items():
                rows = list(self.grid.swept(name))
                for variant in sweep.of:
                    found = {value: cells[model, row] for of, value, row in rows if of == variant}
                    own = _value(cells[model, variant].plan.settings, sweep.key)
                    if own is not None:
                        found.setdefault(own, cells[model, variant])
                    for value in sorted(found):
                        yield Point(name, sweep.key, self.named(model, variant), value, found[value])

    def _plan(self, chosen: list[str], variant: VariantSettings) -> Plan:
        overrides = [*chosen, *variant.set]
        training = [Plan(self._settings([*overrides, *self.grid.sets[name]])) for name in variant.train_on]
        return Plan(self._settings(overrides), training)

    def _settings(self, overrides: list[str]) -> PipelineSettings:
        return load_config(self.grid.config, [*self.shared, *overrides], PipelineSettings)

    def _check_voices(self) -> None:
        heard: dict[str, str] = {}
        for cell in self.cells:
            for run in cell.plan.training if cell.trained else ():
                heard |= dict.fromkeys(run.settings.speech.voices.speakers, cell.name)
            heard |= dict.fromkeys(cell.plan.settings.finetune.real.speakers() if cell.trained else (), cell.name)
        for name, test in self.grid.tests.items():
            for speaker in test.voices.speakers if test.voices else ():
                if speaker in heard:
                    remedy = f"{heard[speaker]!r} trains on this voice: tests need unheard voices."
                    raise HarkenError(f"tests.{name}.voices.speakers", speaker, remedy)

    def _check_sweeps(self) -> None:
        test = next(iter(self.tests.values()))
        made: set[tuple[str, str, str]] = set()
        for point in self.points:
            system = (point.sweep, point.variant, point.cell.hypotheses(test).fingerprint)
            if system in made:
                remedy = (
                    f"It changes nothing about {point.variant!r}: what it trains on sets the key itself, or no result "
                    "depends on it. Sweep another key, or take it out of the training sets' overrides."
                )
                raise HarkenError(f"sweeps.{point.sweep}.key", point.key, remedy)
            made.add(system)


def _value(settings: PipelineSettings, key: str) -> float | None:
    """A number among the settings by its key; None where there is none."""
    found: object = settings
    for name in key.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def check(cells: Cells) -> None:
    """Find out before anything runs what cannot work.

    Raises:
        HarkenError: what `jobs.preflight.preflight` raises for any of the runs.
    """
    from jobs.preflight import preflight

    runs = [run.settings for cell in cells.cells for run in (cell.plan, *cell.plan.training)]
    for settings in {settings.model_dump_json(): settings for settings in runs}.values():
        preflight(settings)


def make(cell: Cell, tests: Mapping[str, Speech]) -> None:
    """Bring a cell to completion: its training speech, its model, and what it hears in the test sets.

    Raises:
        HarkenError: what the pipeline's jobs raise.
    """
    from jobs.finetune import finetune_run
    from jobs.judge import judge_speech, transcribe
    from jobs.labels import write_labels
    from jobs.speech import speak

    plan = cell.plan
    if cell.trained:
        for name, run in zip(cell.train_on, plan.training, strict=True):
            note(f"-- training set {name}")
            write_labels(run)
            speak(run.settings, run.speech)
            judge_speech(run)
        elsewhere = (plan.speech, plan.domain, plan.general)
        for speech in plan.speeches():
            if not any(speech is other for other in elsewhere):
                speak(plan.settings, speech)
        finetune_run(plan)
    for speech in tests.values():
        transcribe(plan, speech, "adapted" if cell.trained else "base")
