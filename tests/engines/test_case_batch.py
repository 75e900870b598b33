import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from common.engines import predicted_and_true_label, prepare_case_batch
from common.metrics import LabelDice


def test_prepare_case_batch_gives_plain_tensors() -> None:
    batch = {"image": MetaTensor(torch.rand(2, 1, 3, 4, 5)), "label": torch.zeros(2, 1, 3, 4, 5), "name": ["a", "b"]}
    image, moved = prepare_case_batch(batch, "cpu")
    assert type(image) is torch.Tensor
    assert moved["image"] is image
    assert moved["name"] == ["a", "b"]


def test_organ_that_is_not_annotated_does_not_count() -> None:
    predicted = torch.tensor([[1, 2, 2, 0], [1, 2, 2, 0]])
    truth = torch.tensor([[[1, 2, 2, 0]], [[1, 1, 0, 0]]])
    logits = F.one_hot(predicted, 3).movedim(-1, 1).float()
    annotated = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    maps = predicted_and_true_label({"pred": logits, "label": {"label": truth, "annotated": annotated}})
    assert maps[0].tolist() == [[[1, 2, 2, 0]], [[1, 0, 0, 0]]]
    assert maps[1].tolist() == truth.tolist()
    metric = LabelDice([1, 2])
    metric(*maps)
    assert metric.aggregate().item() == pytest.approx((1 + 2 / 3) / 2)  # of two cases
    assert metric.get_buffer()[1, 1].isnan()
