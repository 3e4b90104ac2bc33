"""The adapt pipeline end to end: labels, speech, judge, finetune, evaluate.

``python -m jobs.pipeline --config configs/demo.yaml [--set KEY=VALUE ...]``

Every stage is skipped when its output is complete and nothing it depends on has changed. Killing the run at
any point loses nothing that is finished; the same command goes on from there.
"""

import sys

from harken.settings import PipelineSettings
from jobs.cli import run_job
from jobs.evaluate import STRICT, evaluate
from jobs.plan import Plan
from jobs.progress import note


def main(settings: PipelineSettings, strict: bool = False) -> None:
    """Run every stage that is not complete, then print the table and where the report is."""
    plan = Plan(settings)
    stages = plan.stages()
    if all(stage.complete() for stage in stages):
        # Loading Ray and PyTorch to find nothing to do would be most of a second run's time.
        for stage in stages:
            note(f"{stage.name}: skipped")
    else:
        _run(plan)
    evaluate(plan, strict)


def _run(plan: Plan) -> None:
    from jobs.preflight import preflight

    # A wrong path in the last stage must not be found out an hour after the first one began, nor a typo after
    # PyTorch has been loaded.
    preflight(plan.settings)
    from jobs.finetune import finetune_run
    from jobs.judge import judge_speech
    from jobs.labels import write_labels
    from jobs.speech import speak_all

    write_labels(plan)
    speak_all(plan)
    judge_speech(plan)
    finetune_run(plan)


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or "", switches=STRICT))
