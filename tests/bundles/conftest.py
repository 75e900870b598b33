"""A small pair on disk, as a user would have it."""

import pytest

from common.phantoms import torso_phantom, write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    pair = torso_phantom((36, 32, 40), (5.0, 5.0, 6.0), maximum_displacement=4.0, seed=3)
    paths = write_phantom(pair, tmp_path_factory.mktemp("phantom"))
    return {key: str(path) for key, path in paths.items() if key.startswith(("fixed", "moving"))}
