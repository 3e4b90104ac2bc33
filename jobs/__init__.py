"""One file per job: `python -m jobs.NAME --config FILE`, the same on a laptop and under `ray job submit`."""
