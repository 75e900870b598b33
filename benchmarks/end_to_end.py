"""One large pair from files to files: seconds and memory of the whole command, `python benchmarks/end_to_end.py`."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from common.phantoms import torso_phantom, write_phantom

SHAPE, SPACING, SEED = (192, 160, 256), (2.0, 2.0, 2.0), 0
CONFIG = Path(__file__).parents[1] / "bundles" / "abdomen_ct_self_training" / "configs" / "inference.json"


def main() -> None:
    """Write a phantom of the size of the paper's abdominal CT, register it, and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_phantom(torso_phantom(SHAPE, SPACING, seed=SEED), Path(folder) / "phantom")
        options = [f"--{key}={path}" for key, path in paths.items() if key.startswith(("fixed", "moving"))]
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(CONFIG), "--output_dir", folder]
        start = perf_counter()
        subprocess.run([*command, *options], check=True)
        seconds = perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
    dice, error = metrics["dice"]["after"], metrics["tre_mm"]["after"]
    print(f"{seconds:.1f} s, {memory:.2f} GiB, Dice {dice:.3f}, TRE {error:.2f} mm")


if __name__ == "__main__":
    main()
