"""One file per job: `python -m jobs.NAME --config FILE`, the same on a laptop and under `ray job submit`."""

import os

# Ray Train asks for a state API that a local cluster without a dashboard lacks, and tells of every checkpoint;
# jobs.finetune shows its own progress.
# Ray's C++ core calls harmless remarks about actor arguments errors, and says in every process that it was told
# to be quiet. What goes wrong for real reaches Python as exceptions. Read when ray is imported, hence here.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault(
    "RAY_DEDUP_LOGS_SKIP_REGEX",
    "Set ray log level from environment|Failed to query Ray Train Controller actor state|Reporting training result",
)
