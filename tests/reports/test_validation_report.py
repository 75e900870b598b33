from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

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
