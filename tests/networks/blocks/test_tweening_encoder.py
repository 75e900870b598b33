import torch

from common.networks.blocks import TweeningEncoder


def test_stages_are_those_of_the_paper() -> None:
    encoder = TweeningEncoder(3, 2, 16, 6)
    counts = [sum(p.numel() for p in stage.parameters()) for stage in encoder.stages]
    single = [880, 13_856, 55_360 + 110_656, 221_312 + 442_496, 884_992 + 1_769_728, 3_539_456 + 7_078_400]
    assert counts == single


def test_maps_run_from_fine_to_coarse() -> None:
    maps = TweeningEncoder(3, 2, 2, 3)(torch.rand(1, 2, 8, 16, 24))
    assert [tuple(each.shape[1:]) for each in maps] == [(2, 4, 8, 12), (4, 2, 4, 6), (8, 1, 2, 3)]


def test_negative_values_pass_a_tenth() -> None:
    encoder = TweeningEncoder(2, 1, 1, 1)
    torch.nn.init.constant_(encoder.get_parameter("stages.0.0.conv.weight"), -1.0)
    torch.nn.init.zeros_(encoder.get_parameter("stages.0.0.conv.bias"))
    (answer,) = encoder(torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(answer[0, 0, 0, 0], torch.tensor(-0.9))
