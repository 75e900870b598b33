import torch
from monai.data import MetaTensor

from common.features import gradient_magnitude
from common.transforms import GradientMagnituded


def test_dictionary_form_keeps_the_affine_and_all_else() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    scan = MetaTensor(1000 * torch.rand(1, 5, 6, 7) - 900, affine=affine)
    done = GradientMagnituded("image", sigma=1.0, unit=50.0)({"image": scan, "other": 1})
    torch.testing.assert_close(done["image"].as_tensor(), gradient_magnitude(scan.as_tensor()[None], 1.0, unit=50.0)[0])
    assert torch.equal(done["image"].affine, scan.affine)
    assert done["other"] == 1
