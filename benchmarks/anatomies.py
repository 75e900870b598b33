"""Features for every anatomy: one training on all of them, and for each one on all others, beside MIND.

    python benchmarks/anatomies.py cases ../shared/data cases
    python benchmarks/anatomies.py compare pairs/choosing runs results [--kinds chest,cine]
    python benchmarks/anatomies.py table results

The first writes scans, each kind at a spacing of its own, and lists for `train.json`: `all.json`, `without_KIND.json`.
The second registers each kind of pair of `choose.py` with random features, MIND and those of the training without it,
`runs/without_KIND/checkpoints`. No scan of the part of `choose_pairs.py` that is reported is in any list. See
README.md.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fire
import nibabel as nib
import numpy as np
import torch
from choose import OURS, register_all, table_of
from choose_pairs import FOLDERS, PARTS, reported_scans
from monai.data import MetaTensor

from common.engines import one_sentence
from common.handlers import newest_checkpoint
from common.io import InputError, read_scan, save_text, write_nifti
from common.phantoms import PhantomPair, chest_phantom, torso_phantom
from common.transforms import CaseGrid, CaseGridd, random_contrast

# mm, at which 64 voxels a side hold what matters of a scan
SPACING = {"hippocampus": 0.9, "abdomen": 5.5, "chest": 5.5, "cine": 2.5, "ct_mr": 3.5, "torso": 3.5, "torso_b": 3.5}
LEFT_OUT = {"torso": ("torso", "torso_b"), "torso_b": ("torso", "torso_b")}  # kinds that go together
FEATURES = ("random", "mind", "trained")
MOST = 14  # scans of a kind with more
HELD_OUT = 2  # of those with labels, for the validation
PHANTOMS: dict[str, tuple[Callable[..., PhantomPair], range]] = {
    "torso": (torso_phantom, range(30, 34)),
    "chest": (chest_phantom, range(30, 32)),
}
PHASES = 5  # of a heart
Case = dict[str, Any]


def cases(data: str, output: str) -> None:
    """Write the scans, and the lists with their fixed division."""
    folder = Path(output)
    found = list(_found(Path(data), folder))
    for name, left_out in {"all": (), **{f"without_{k}": LEFT_OUT.get(k, (k,)) for k in SPACING}}.items():
        parts: dict[str, list[Case]] = {"training": [], "validation": []}
        for kind in SPACING:
            of_kind = [case for case in found if case["kind"] == kind and kind not in left_out]
            held = {id(case) for case in [case for case in of_kind if "label" in case][-HELD_OUT:]}
            for case in of_kind:
                listed: Case = {key: case[key] for key in ("image", "label", "cohort") if key in case}
                parts["validation" if id(case) in held else "training"].append(listed)
        save_text(folder / f"{name}.json", json.dumps(parts, indent=4))
        print(f"{name}: {', '.join(f'{len(listed)} for {part}' for part, listed in parts.items())}")


def _found(data: Path, output: Path) -> Iterator[Case]:
    """Every scan that may be learned from, written."""
    for kind, folder in FOLDERS.items():
        reported = reported_scans(kind)
        paths = [path for path in sorted((data / folder / "images").iterdir()) if path.name not in reported]
        for path in paths[:MOST]:
            label = path.parent.parent / "labels" / path.name
            yield _write(output, kind, path.name.split(".")[0], read_scan(path), read_scan(label, label=True))
    for name in ("chest_a", "chest_c"):
        yield _write(output, "chest", name, read_scan(data / "chest_ct" / "images" / f"{name}.nii.gz"))
    for patient in PARTS["choosing"].ct_mr:
        for scan in ("CT", "MR_T1"):
            path = data / "ct_mr" / patient / f"{scan}_image.nii.gz"
            yield _write(output, "ct_mr", f"{patient}_{scan}", read_scan(path), cohort=patient)
    for number in PARTS["choosing"].torso_b:
        for side in ("fixed", "moving"):
            path = data / "torso_b" / f"pair_{number}" / f"{side}.nii.gz"
            yield _write(output, "torso_b", f"torso_b_{number}_{side}", read_scan(path))
    yield from _heart(data, output)
    yield from _phantoms(output)


def _heart(data: Path, output: Path) -> Iterator[Case]:
    scans = sorted((data / "sunnybrook_cine_mr").glob("*_image.nii.gz"))
    for patient in PARTS["choosing"].cine:
        scan = nib.Nifti1Image.from_filename(scans[patient])
        times = np.linspace(0, scan.shape[3] - 1, PHASES, dtype=int).tolist()
        for time in times:
            image = read_scan(scans[patient], phase=time)
            yield _write(output, "cine", f"{scans[patient].name.split('_')[0]}_phase{time}", image)


def _phantoms(output: Path) -> Iterator[Case]:
    """Each scan in a contrast of its own."""
    for kind, (make, seeds) in PHANTOMS.items():
        for seed in seeds:
            pair = make(seed=seed)
            for number, side in enumerate(("fixed", "moving")):
                array = torch.as_tensor(getattr(pair, f"{side}_image")).float()[None, None]
                drawn = random_contrast(array, 1.0, torch.Generator().manual_seed(2 * seed + number))
                affine = torch.as_tensor(getattr(pair, f"{side}_affine"))
                label = MetaTensor(torch.as_tensor(getattr(pair, f"{side}_label")).float()[None], affine=affine)
                image = MetaTensor(drawn[0], affine=affine)
                yield _write(output, kind, f"{kind}_phantom_{seed}_{side}", image, label)


def _write(
    output: Path, kind: str, name: str, image: MetaTensor, label: MetaTensor | None = None, cohort: str = ""
) -> Case:
    case: dict[str, Any] = {"image": image} | ({} if label is None else {"label": label})
    placed = CaseGridd("image", CaseGrid(SPACING[kind]), "label")(case)
    written: Case = {"kind": kind, "cohort": cohort or kind}
    for key in case:
        array = placed[key].as_tensor()[0].numpy()
        written[key] = f"{key}s/{name}.nii.gz"
        stored = array.astype(np.float32 if key == "image" else np.uint8)
        write_nifti(output / written[key], stored, placed[key].affine.numpy())
    return written


def compare(part: str, runs: str, results: str, kinds: tuple[str, ...] = tuple(SPACING)) -> None:
    """Register the pairs of each kind with all features, by the paper's pipeline; goes on where it stopped."""
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        source = Path(part) / f"{kind}.csv"
        if not source.is_file():
            continue
        alone = Path(results) / "pairs" / kind
        alone.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, alone / source.name)
        for features in FEATURES:
            options = _options(kind, features, Path(runs) / f"without_{kind}" / "checkpoints")
            register_all(OURS, alone, Path(results) / f"{kind}_{features}.json", ["paper"], options)


def _options(kind: str, features: str, checkpoints: Path) -> dict[str, Any]:
    options = {
        "features": features,
        "spacing": SPACING[kind],
        "widths": [16, 32, 32, 32, 32],
        "reference": False,
        "regularization": 10.0 if features == "trained" else 1.0,
        "normalization": {"_target_": "common.transforms.NormalizePercentiles"},
    }
    if features == "trained":
        newest = newest_checkpoint(checkpoints)
        if newest is None:
            raise InputError(f"There is no checkpoint in {checkpoints}: train without {kind} first.")
        options["checkpoint"] = str(newest.resolve())
    return options


def table(results: str) -> None:
    """Print the means of each kind and its features."""
    lines: list[str] = []
    for kind in SPACING:
        files = [Path(results) / f"{kind}_{features}.json" for features in FEATURES]
        if all(file.is_file() for file in files):
            found = table_of(Path(results) / "pairs" / kind, files).splitlines()
            lines += found[2:] if lines else found
    print("\n".join(lines))


if __name__ == "__main__":
    with one_sentence():
        fire.Fire({"cases": cases, "compare": compare, "table": table})
