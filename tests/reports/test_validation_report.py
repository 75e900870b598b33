from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from common.reports import ValidationReport


@pytest.mark.parametrize("labeled", [True, False])
def test_first_pair_of_every_validation_is_drawn(labeled: bool, tmp_path: Path) -> None:
    images = torch.rand(2, 2, 1, 12, 14, 16)
    batch = {"fixed_image": images[0], "moving_image": images[1], "pair": ["a_b", "c_d"]}
    if labeled:
        batch |= {f"{side}_label": (images[n] > 0.5).int() for n, side in enumerate(("fixed", "moving"))}
    evaluator = Engine(lambda *_: {"label": batch, "pred": torch.zeros(2, 3, 12, 14, 16)})
    ValidationReport(tmp_path / "pictures", (1.0, 1.0, 2.0)).attach(evaluator)
    evaluator.run([0, 1, 2])
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["validation_epoch=1.png"]
    assert (tmp_path / "pictures" / "validation_epoch=1.png").stat().st_size > 10_000


def test_convention_pictures_follow_the_directions_of_the_scans(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images, ddf = torch.rand(2, 1, 1, 12, 14), torch.rand(1, 2, 12, 14)
    posterior_left = torch.tensor([[0.0, -1, 0, 5], [-1, 0, 0, 3], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = images.flip(-1, -2).transpose(-1, -2)  # rows run to the back, columns to the left
    pictures = []
    for name, pair, field, spacing, affine in (
        ("right_front", images, ddf, (1.0, 2.0), None),
        ("stored", turned, -ddf.flip(-1, -2, 1).transpose(-1, -2), (2.0, 1.0), posterior_left),
    ):
        batch = {"fixed_image": pair[0], "moving_image": pair[1]}
        evaluator = Engine(lambda *_, answer=(batch, field): {"label": answer[0], "pred": answer[1]})
        ValidationReport(tmp_path / name, spacing, affine).attach(evaluator)
        evaluator.run([0])
        with Image.open(tmp_path / name / "validation_epoch=1.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB"), dtype=int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 2  # gray levels: warping rounds otherwise
