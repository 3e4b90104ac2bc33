"""The demo made small: the overrides that tests of whole runs share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOMAIN_ROWS, GENERAL_ROWS, LABELS, ROWS_PER_SHARD = 8, 6, 24, 4


def small(folder: Path) -> list[str]:
    """Overrides for a run of the pipeline under ``folder / "run"`` that takes about a minute."""
    domain = head(ROOT / "examples/luxury/test_notes.jsonl", folder / "domain.jsonl", DOMAIN_ROWS)
    general = head(ROOT / "examples/general/test.jsonl", folder / "general.jsonl", GENERAL_ROWS)
    replay = head(ROOT / "examples/general/train.jsonl", folder / "replay.jsonl", 8)
    return [
        f"run.output={folder / 'run'}",
        f"labels.count={LABELS}",
        f"labels.rows_per_shard={ROWS_PER_SHARD}",
        "finetune.epochs=2",
        "finetune.workers=1",
        "finetune.checkpoint_every_steps=1",
        f"evaluate.domain={domain}",
        f"evaluate.general={general}",
        f"finetune.replay.manifest={replay}",
        "evaluate.bootstrap_samples=50",
        # Six sentences cannot tell whether a model forgot, so no run may fail by them.
        "evaluate.forgetting_limit=null",
    ]


def head(source: Path, target: Path, lines: int) -> Path:
    """Copy the first lines of a manifest."""
    target.write_text("".join(source.open(encoding="utf-8").readlines()[:lines]), encoding="utf-8")
    return target
