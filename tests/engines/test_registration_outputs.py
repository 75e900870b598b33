import json
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from common.engines import registration_postprocessing


def test_registration_postprocessing_writes_the_results(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 12, 13, 14, generator=generator)
    scan, moving = (
        MetaTensor(each, affine=torch.eye(4), meta={"stored_dtype": "float32"}) for each in (image, image.roll(1, 1))
    )
    pred = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1, 1).expand(3, 12, 13, 14)
    data = {
        "fixed_image": scan,
        "moving_image": moving,
        "image": MetaTensor(torch.cat([image, image.roll(1, 1)]), affine=torch.eye(4)),
        "initial_transform": torch.eye(4),
        "pred": pred,
        "seconds": {"load": 1.0},
        "clock": 0.0,
        "made_of": '{"bundle": "a_b_c"}',
    }
    done: Any = registration_postprocessing(tmp_path)(data)
    assert done["pred"] is pred, "the answer of the network keeps its meaning"
    assert done["displacement_field"][:, 2, 3, 4].tolist() == [-1, 0, 0]
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert list(record["seconds"]) == ["total", "load", "registration", "warp", "measure", "write"]
    assert record["bundle"] == "a_b_c"
    assert record["similarity"]["after"] > record["similarity"]["before"]
    names = {"displacement_field.nii.gz", "warped_image.nii.gz", "report.png", "metrics.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
