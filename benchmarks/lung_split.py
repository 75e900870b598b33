"""The scans of the experiment of lung_ct_progressive, divided before its first run; see the bundle's `README.md`."""

import argparse
import json
from pathlib import Path

import nibabel as nib

from common.phantoms import chest_phantom

TRAINING = ("chest_a", "chest_c")
REPORTED = "chest_b"
PHANTOMS = range(100, 110)  # seeds for training; both phases
CHOOSING_PHANTOMS = (200, 201)  # for choosing the learning rate
REPORTED_PHANTOMS = range(20)
CT_SHARE = 5  # how often a CT is listed: as much as the phantoms together


def main() -> None:
    """Write the phantoms and `split.json`, the `--datalist` of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chest_ct", type=Path, help="folder with images/chest_a.nii.gz and so on")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    (arguments.output / "images").mkdir(parents=True, exist_ok=True)
    scans = {name: str((arguments.chest_ct / "images" / f"{name}.nii.gz").resolve()) for name in TRAINING}
    phantoms = {seed: _phases(seed, arguments.output / "images") for seed in (*PHANTOMS, *CHOOSING_PHANTOMS)}
    training = [*scans.values()] * CT_SHARE + [path for seed in PHANTOMS for path in phantoms[seed]]
    choosing = [*scans.values(), *(path for seed in CHOOSING_PHANTOMS for path in phantoms[seed])]
    parts = {"training": training, "validation": choosing}
    split = {name: [{"image": path} for path in paths] for name, paths in parts.items()}
    (arguments.output / "split.json").write_text(json.dumps(split, indent=4))


def _phases(seed: int, folder: Path) -> list[str]:
    pair = chest_phantom(seed=seed)
    paths = []
    for side in ("fixed", "moving"):
        path = folder / f"phantom{seed}_{side}.nii.gz"
        nib.save(nib.Nifti1Image(getattr(pair, f"{side}_image"), pair.fixed_affine), path)
        paths.append(str(path.resolve()))
    return paths


if __name__ == "__main__":
    main()
