import pytest
import torch
from monai.data import MetaTensor

from common.features import gradient_magnitude
from common.transforms import CaseGrid, CaseGridd, GradientMagnitude


@pytest.mark.parametrize("shape", [(1, 9, 8), (2, 5, 6, 7), (3, 1, 5, 6, 7)])
def test_settings_are_those_of_the_function(shape: tuple[int, ...]) -> None:
    image = 1000 * torch.rand(shape) - 900
    batch = image if len(shape) == 5 else image[None]
    expected = gradient_magnitude(batch, 1.0, (-800.0, 0.0), 50.0).reshape(shape)
    torch.testing.assert_close(GradientMagnitude(1.0, (-800.0, 0.0), 50.0)(image), expected)


def test_normalization_of_a_case_grid() -> None:
    scan = MetaTensor(1000 * torch.rand(1, 8, 9, 10) - 900, affine=torch.diag(torch.tensor([2.0, 2, 2, 1])))
    done = CaseGridd("image", CaseGrid(spacing=2.0, normalization=GradientMagnitude()))({"image": scan})
    torch.testing.assert_close(done["image"].as_tensor(), gradient_magnitude(scan.as_tensor()[None])[0])
