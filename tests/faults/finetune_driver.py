"""A driver that a test can kill: ``python -m tests.faults.finetune_driver FOLDER`` runs the task pickled there."""

import pickle
import sys
from pathlib import Path

from harken.settings import ClusterSettings
from jobs.finetune import finetune

TASK = "task.pickle"

if __name__ == "__main__":
    finetune(pickle.loads((Path(sys.argv[1]) / TASK).read_bytes()), ClusterSettings(cpus=4))
