"""Bundles run from Python, as the tests of every one of them do."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow
from monai.bundle import run as run_bundle

QUIET: Any = False  # MONAI takes it for `logging_file`; its type does not say so


def run_training(bundle: Path, output_dir: Path, *names: str, run: bool = True, **options: Any) -> ConfigWorkflow:
    """Build a training of a bundle's configs and overlays by their names, and run it."""
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    given = {"output_dir": str(output_dir), "bundle_root": str(bundle), **options}
    workflow = ConfigWorkflow(files, workflow_type="train", logging_file=False, **given)
    workflow.initialize()
    if run:
        workflow.run()
        workflow.finalize()
    return workflow


PROCESSES = """
import sys
from monai.bundle import run
run(config_file={files!r}, logging_file=False, backend="gloo", **{options!r})
"""


def run_by_two(bundle: Path, output_dir: Path, *names: str, **options: Any) -> None:
    """Run a training of a bundle's configs and overlays, the one for several GPUs among them, by two processes."""
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    given = {"output_dir": str(output_dir), "bundle_root": str(bundle), **options}
    given.pop("device", None)
    output_dir.mkdir(parents=True, exist_ok=True)
    script = output_dir / "run.py"
    script.write_text(PROCESSES.format(files=files, options=given))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def run_inference(bundle: Path, output_dir: Path, *overlays: str, **options: Any) -> dict:
    """Register with a bundle's own config and overlays; the record of a single pair."""
    config = [str(bundle / "configs" / f"{name}.json") for name in ("inference", *overlays)]
    run_bundle(config_file=config, logging_file=QUIET, bundle_root=str(bundle), output_dir=str(output_dir), **options)
    result = output_dir / "metrics.json"
    return json.loads(result.read_text()) if result.is_file() else {}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Those of the network after the second epoch."""
    return torch.load(folder / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True)["objects"]["network"]
