import torch
from monai.data import MetaTensor

from common.engines import label_postprocessing
from common.engines.answering_compose import AnsweringCompose


def add_a_voxel(data: dict) -> dict:
    refinement = torch.tensor([-1.0, 0.0, 0.0]).view(3, 1, 1, 1).expand(3, 5, 6, 7)  # LPS
    return {**data, "refinement": MetaTensor(refinement, affine=data["image"].affine)}


def test_label_postprocessing_answers_with_the_label_on_the_fixed_grid() -> None:
    scan = MetaTensor(torch.rand(1, 5, 6, 7), affine=torch.eye(4))
    moved = MetaTensor(torch.rand(1, 8, 6, 7), affine=torch.eye(4))
    label = MetaTensor(torch.randint(1, 9, (1, 8, 6, 7), dtype=torch.int32), affine=torch.eye(4))
    ddf = torch.tensor([2.0, 0.0, 0.0]).view(3, 1, 1, 1).expand(3, 5, 6, 7)
    image = MetaTensor(torch.rand(2, 5, 6, 7), affine=torch.eye(4))
    pair = {"fixed_image": scan, "moving_image": moved, "moving_label": label}
    done = label_postprocessing()({**pair, "image": image, "pred": ddf, "initial_transform": torch.eye(4)})
    assert torch.equal(done["pred"].as_tensor(), label.as_tensor()[0, 2:7])
    assert torch.equal(done["pred"].affine, scan.affine)
    steps = label_postprocessing([add_a_voxel])
    optimized = steps({**pair, "image": image, "pred": ddf, "initial_transform": torch.eye(4)})
    assert torch.equal(optimized["pred"].as_tensor(), label.as_tensor()[0, 3:8])
    assert isinstance(steps, AnsweringCompose)  # what goes wrong reaches the client as a sentence
