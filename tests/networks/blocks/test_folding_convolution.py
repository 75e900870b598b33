import pytest
import torch
from monai.networks.blocks import Convolution

from common.networks.blocks import FoldingConvolution


@pytest.mark.parametrize("norm", ["BATCH", "INSTANCE", None])
@pytest.mark.parametrize("options", [{"kernel_size": 3}, {"kernel_size": 2, "strides": 2, "padding": 0}])
@pytest.mark.parametrize("dims", [2, 3])
def test_answers_are_those_of_monai(dims: int, options: dict, norm: str | None) -> None:
    torch.manual_seed(0)
    given = {"adn_ordering": "NA", "act": "ELU", "norm": norm, **options}
    theirs, ours = (kind(dims, 3, 4, **given) for kind in (Convolution, FoldingConvolution))
    image = torch.rand(2, 3, *(6, 8, 10)[:dims])
    theirs(5 * image + 1)  # running mean and variance that are not 0 and 1
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(image), theirs.eval()(image))
    torch.testing.assert_close(ours.train()(image), theirs.train()(image))


def test_gradient_in_evaluation_mode() -> None:
    layer = FoldingConvolution(2, 2, 3, adn_ordering="NA", act="ELU", norm="BATCH").eval()
    layer(torch.rand(1, 2, 5, 6)).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
