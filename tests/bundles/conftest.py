"""A small pair, and a small data set, on disk, as a user would have them."""

from pathlib import Path

import pytest

from common.phantoms import torso_phantom, write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    pair = torso_phantom((36, 32, 40), (5.0, 5.0, 6.0), maximum_displacement=4.0, seed=3)
    paths = write_phantom(pair, tmp_path_factory.mktemp("phantom"))
    return {key: str(path) for key, path in paths.items() if key.startswith(("fixed", "moving"))}


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scans, with their label maps, of three small phantoms."""
    folder = tmp_path_factory.mktemp("cases")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for seed in range(3):
        paths = write_phantom(
            torso_phantom((24, 20, 28), (12.0, 12.0, 12.0), maximum_displacement=3.0, seed=seed),
            folder / f"phantom{seed}",
        )
        for side in ("fixed", "moving"):
            for kind in ("image", "label"):
                Path(paths[f"{side}_{kind}"]).rename(folder / f"{kind}s" / f"case{seed}{side}.nii.gz")
    return folder
