"""What the pages tell a reader to do works, and leaves nothing that git would add."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from common.data.liver_sets import cut_to_liver
from common.phantoms import abdomen_phantom, chest_phantom, heart_phantom

REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("bundles/*/docs/README.md"))]
WRITTEN = re.compile(r"--(?:output|output_dir)[ =]([\w./$]+)|common pack (\S+)")


def identify(path: Path) -> str:
    return path.parts[-3]


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_git_ignores_what_the_commands_write(page: Path) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no repository, such as an unpacked archive")
    names = {"".join(found).replace("$", "") for found in WRITTEN.findall(page.read_text())}
    assert names
    folder = REPOSITORY if page.parent == REPOSITORY else page.parents[1]  # where a training is started
    for name in sorted(names):
        places = {(start / name).resolve() for start in (REPOSITORY, folder)}
        check = [
            "git",
            "check-ignore",
            "--no-index",
            *(str(p / "file") for p in places if p.is_relative_to(REPOSITORY)),
        ]
        done = subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or name.startswith("models/"), name


def bodies() -> list[NDArray]:
    """Gray bodies of the size of a hippocampus, in brighter surroundings beside a dark rim."""
    places = np.stack(np.meshgrid(*[np.arange(n) for n in (36, 50, 34)], indexing="ij"), axis=-1)
    arrays = []
    for shift, radii in ((0, (7, 16, 6)), (1.5, (8, 16, 5.4))):
        distance = np.linalg.norm((places - [18 + shift, 25 + shift, 17 - shift]) / np.array(radii), axis=-1)
        arrays.append(110 - 40 / (1 + np.exp(12 * (distance - 1))) - 90 * np.exp(-(((distance - 1.4) / 0.25) ** 2)))
    return arrays


def heart() -> list[NDArray]:
    pair = heart_phantom()
    return [pair.fixed_image, pair.moving_image]


def chest() -> list[NDArray]:
    pair = chest_phantom((64, 64, 64), (5.2, 4.2, 5.2))
    return [pair.fixed_image, pair.moving_image]


def livers() -> list[NDArray]:
    """Both abdomens of a phantom, each cut to its liver, label 4."""
    spacing = (4.8, 4.8, 4.8)
    pair, affine, crops = abdomen_phantom((64, 54, 74), spacing, 6.0), torch.diag(torch.tensor([*spacing, 1.0])), []
    for image, label in ((pair.fixed_image, pair.fixed_label), (pair.moving_image, pair.moving_label)):
        scan, liver = (MetaTensor(array[None].astype(np.float32), affine=affine) for array in (image, label == 4))
        crops.append(cut_to_liver(scan, liver)[0][0, ::2, ::2, ::2].numpy())
    return crops


def run_block(bundle: str, fixed: NDArray, moving: NDArray) -> dict[str, Any]:
    """Run the Python of a page that registers two arrays, and give what it leaves."""
    page = REPOSITORY / "bundles" / bundle / "docs" / "README.md"
    (block,) = (code for code in BLOCK.findall(page.read_text()) if "(fixed, moving)" in code)
    found: dict[str, Any] = {"fixed": fixed, "moving": moving}
    exec(block, found)
    return found


ARRAYS = {
    "abdomen_ct_self_training": bodies,
    "cardiac_mr_dirnet": heart,
    "hippocampus_mr_symmetric": bodies,
    "lung_ct_progressive": chest,
    "liver_ct_curriculum": livers,
}
LEFT = {"liver_ct_curriculum": 0.9}  # share of what differs; the noise of its windows does not correspond


@pytest.mark.parametrize("bundle", ARRAYS)
def test_python_of_a_page_registers_arrays(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    fixed, moving = ARRAYS[bundle]()
    warped = run_block(bundle, fixed, moving)["warped"][0, 0].numpy()
    before, after = (np.corrcoef(fixed.ravel(), image.ravel())[0, 1] for image in (moving, warped))
    assert 1 - after < LEFT.get(bundle, 0.7) * (1 - before)


def test_git_ignores_nothing_of_the_project() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no repository, such as an unpacked archive")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert not subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
