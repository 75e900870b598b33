"""Registration as one network: parity with the released pipeline of paper 003, and what it promises as a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from torch import Tensor

from common.features import MINDSSC
from common.networks.nets import CoupledConvexNet, SelfTrainingFeatureNet, instance_optimization_net
from common.optimization import REFERENCE, UNGUIDED, Guidance, GuidingPoints
from common.spatial import compose, folding_percent, jacobian_determinant, warp

Recorded = dict[str, np.ndarray]
LONG = ((2, 80), (1, 20))  # without texture the default steps are not at the end of their way
CONFIGS = Path(__file__).parents[3] / "bundles" / "abdomen_ct_self_training" / "configs"


def texture(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, *shape, generator=generator)
    every_third: Any = (..., *[slice(None, None, 3)] * len(shape))
    coarse = F.interpolate(noise[every_third], size=shape)
    return coarse + 0.3 * noise


def small_net(**arguments: Any) -> CoupledConvexNet:
    defaults = {"warps": [(4, 2)], "refinements": [(2, 5)]}
    return CoupledConvexNet(**{**defaults, **arguments}).eval()


class Released:
    """The recorded pipeline: its images, labels, network and fields in our convention; our settings are its overlay."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        units = torch.tensor(recorded["images"]).float()[:, 0] / 1000 * 500  # Hounsfield, (2, *spatial)
        self.image = self.config().get_parsed_content("normalization")(units)[None]
        self.labels = torch.tensor(recorded["segs"]).long()[:, None]
        self.features = self._load_features()

    def _load_features(self) -> SelfTrainingFeatureNet:
        weights = {
            key.removeprefix("w_").replace("__", "."): torch.tensor(value)
            for key, value in self.recorded.items()
            if key.startswith("w_")
        }
        widths = [len(weights[f"{index}.bias"]) for index in (0, 3, 6, 9, 12)]
        net = SelfTrainingFeatureNet(widths, out_channels=len(weights["15.bias"]))
        net.load_state_dict(weights, strict=False)
        net.projection = torch.tensor(self.recorded["proj_weight"]).flatten(1)
        return net

    def config(self) -> ConfigParser:
        files = [str(CONFIGS / "inference.json"), str(CONFIGS / "variants" / "paper.json")]
        return ConfigParser(ConfigParser.load_config_files(files))

    def register(self, image: Tensor | None = None, **arguments: Any) -> Tensor:
        config = self.config()
        for name, value in {"regularization": 10.0, **arguments}.items():  # 10 at test time, 1 for pseudo labels
            config[f"network_def#{name}"] = value
        net = config.get_parsed_content("network_def")
        net.features = self.features
        net.eval()
        with torch.no_grad():
            return net(self.image if image is None else image)

    def errors(self, ddf: Tensor, key: str) -> np.ndarray:
        """Differences to a recorded field, stored at half resolution in normalized coordinates x, y, z."""
        extents = torch.tensor([(n - 1) / 2 for n in ddf.shape[2:]]).view(-1, 1, 1, 1)
        half = F.interpolate((ddf / extents).flip(1), scale_factor=0.5, mode="trilinear")
        return np.abs(half.numpy() - self.recorded[key].astype(np.float32))

    def dice(self, moving_labels: Tensor) -> list[float]:
        fixed_labels = self.labels[:1]
        scores = []
        for label in range(1, self.recorded["dice_before"].size + 1):
            first, second = fixed_labels == label, moving_labels == label
            total = int(first.sum() + second.sum())
            scores.append(2 * int((first & second).sum()) / total if total else 0.0)
        return scores

    def assert_dice(self, moving_labels: Tensor, key: str) -> None:
        """Within 0.01 of the recorded Dice, or a voxel where the label has so few that this is more."""
        labels = range(1, self.recorded[key].size + 1)
        voxels = [int((self.labels[:1] == label).sum() + (moving_labels == label).sum()) for label in labels]
        errors = np.abs(np.array(self.dice(moving_labels)) - self.recorded[key].ravel())
        assert (errors <= np.maximum(0.01, 2 / np.array(voxels))).all(), errors


@pytest.fixture(scope="module")
def released(oracle: Callable[[str], Recorded]) -> Released:
    return Released(oracle("003_pipeline_two_warps_adam"))


def test_one_warp_equals_released_pipeline(released: Released) -> None:
    ddf = released.register(warps=[(8, 2)], consistency_iterations=0, refinements=[])
    assert released.errors(ddf, "field_half_1warp_noice").max() < 2e-3


def test_two_warps_equal_released_pipeline(released: Released) -> None:
    ddf = released.register(refinements=[])
    errors = released.errors(ddf, "field_half_noadam")
    # The warp between the two is nearest: a place in the middle of two voxels may go to either.
    assert (errors < 2e-3).mean() > 0.995
    assert errors.mean() < 2e-4


def test_instance_optimization_equals_released_pipeline(released: Released) -> None:
    ddf = released.register()
    errors = released.errors(ddf, "field_half_adam")
    # What rounding does to gradient descent is told in tests/optimization/test_instance_optimization.py.
    assert (errors < 2e-3).mean() > 0.99
    assert errors.mean() < 5e-4
    warped = REFERENCE.pull_back(released.labels[1:], ddf, "nearest")
    released.assert_dice(warped, "dice_adam")


def test_dice_of_two_warps_equals_released_pipeline(released: Released) -> None:
    """The released code warps the labels twice here, so that its wrong composition does not show."""
    np.testing.assert_allclose(released.dice(released.labels[1:]), released.recorded["dice_before"].ravel(), atol=1e-4)
    image, labels = released.image, released.labels[1:]
    for _ in range(2):
        ddf = released.register(image, warps=[(8, 2)], refinements=[])
        moving = REFERENCE.pull_back(image[:, 1:], ddf, "nearest")
        image = torch.cat([image[:, :1], moving], dim=1)
        labels = REFERENCE.pull_back(labels, ddf, "nearest")
    for key in ("dice_net_noadam", "dice_net_adam"):
        released.assert_dice(labels, key)


def test_net_explains_as_much_as_convexadam(oracle: Callable[[str], Recorded]) -> None:
    """Another variant (hard choices, squares) of the same idea: as good at its stride, with all our warps better."""
    recorded = oracle("convexadam_mind")
    fixed, moving = (torch.tensor(recorded[side])[None, None] for side in ("fixed", "moving"))

    def left(ddf: Tensor) -> float:
        return float((warp(moving, ddf) - fixed)[..., 4:-4, 4:-4, 4:-4].square().mean())

    def register(**arguments: Any) -> float:
        with torch.no_grad():
            return left(CoupledConvexNet(**arguments).eval()(torch.cat([fixed, moving], dim=1)))

    theirs = {key: left(torch.tensor(recorded[key]).movedim(-1, 0)[None]) for key in recorded if "disp" in key}
    assert register(warps=[(3, 3)], refinements=[]) < 1.05 * theirs["disp_vox_noadam"]
    assert register() < 0.5 * theirs["disp_vox_adam20"]


@pytest.mark.parametrize("shape", [(17, 18, 21), (21, 30)])
@pytest.mark.parametrize("learned", [False, True])
def test_net_returns_field_of_any_size(shape: tuple[int, ...], learned: bool) -> None:
    dims = len(shape)
    features = SelfTrainingFeatureNet((2, 3, 4, 4, 4), 5, 6, spatial_dims=dims) if learned else MINDSSC()
    net = small_net(features=features, warps=[(8, 1)] if learned else [(4, 1), (3, 1)], refinements=[(2, 2)])
    with torch.no_grad():
        ddf = net(torch.rand(2, 2, *shape))
    assert ddf.shape == (2, dims, *shape)
    assert ddf.dtype == torch.float32


@pytest.mark.parametrize(("shape", "shift"), [((32, 28, 36), (4, -2, 3)), ((48, 40), (-3, 5))])
@pytest.mark.parametrize("warps", [[(4, 2)], [(4, 2), (2, 2)]])
def test_net_recovers_shift(shape: tuple[int, ...], shift: tuple[int, ...], warps: list[tuple[int, int]]) -> None:
    moving = texture(*shape)
    fixed = moving.roll([-s for s in shift], tuple(range(2, len(shape) + 2)))
    net = small_net(warps=warps, refinements=[(2, 30)])
    with torch.no_grad():
        ddf = net(torch.cat([fixed, 3 - 2 * moving], dim=1))  # another contrast
    interior = ddf[(..., *[slice(8, -8)] * len(shape))]
    expected = torch.tensor(shift).view(-1, *[1] * len(shape))
    assert (interior - expected).abs().mean() < 0.5


def test_second_warp_composes_in_the_right_order() -> None:
    """The field of two warps is that of the first, reached by way of the second."""
    image = torch.cat([texture(24, 20, 28), texture(24, 20, 28, seed=1)], dim=1)
    arguments = {"refinements": [], "feature_scale": 1.0}
    with torch.no_grad():
        total = small_net(warps=[(4, 2), (2, 2)], **arguments)(image)
        first = small_net(warps=[(4, 2)], **arguments)(image)
        warped = torch.cat([image[:, :1], warp(image[:, 1:], first)], dim=1)
        second = small_net(warps=[(2, 2)], **arguments)(warped)
    torch.testing.assert_close(total, compose(second, first))


def test_each_pair_keeps_the_warps_that_fit_it_best() -> None:
    """A far shift needs the second warp, which does harm in the noise of a scan that is in place."""
    moving = texture(48, 40)
    noisy = moving + 2 * torch.randn(moving.shape, generator=torch.Generator().manual_seed(1))
    image = torch.cat([torch.cat(pair, 1) for pair in ((moving.roll(-11, 2), moving), (noisy, moving))])
    warps: list[Any] = [(2, 1), (6, 2)]
    smooth: dict[str, Any] = {"bending": False, "regularization": 48.0}
    with torch.no_grad():
        tried = [small_net(warps=warps[:count], keep_best=False, **smooth).register(image) for count in (1, 2)]
        best = small_net(warps=warps, **smooth).register(image)
        left = torch.stack([_difference(image, field) for field, _ in tried])
    assert left.argmin(0).tolist() == [1, 0]
    for sample, expected in enumerate((tried[1], tried[0])):
        for got, field in zip(best, expected, strict=True):
            torch.testing.assert_close(got[sample], field[sample])


def _difference(image: Tensor, ddf: Tensor) -> Tensor:
    fixed, warped = (MINDSSC()(each, 2) for each in (image[:, :1], warp(image[:, 1:], ddf)))
    return (fixed - warped).square().flatten(1).mean(1)


def test_refinements_have_knots_and_parts_but_not_those_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def optimize(*_: Tensor, **options: Any) -> Tensor:
        told.append(tuple(options[key] for key in ("stride", "learning_rate", "knots", "samples")))
        return torch.zeros(1, 3, 18, 20, 22)

    monkeypatch.setattr(instance_optimization_net, "adam_instance_optimization", optimize)
    kinds: list[dict[str, Any]] = [{"knots": 3, "samples": 100}, {"reference": True}]
    for options in kinds:
        net = CoupledConvexNet(warps=[(4, 2)], refinements=[(2, 8), (1, 4)], **options).eval()
        net(torch.rand(1, 2, 18, 20, 22))
    assert told == [(2, 1, 3, 100), (1, 0.5, 3, 100), (2, 1, 1, None), (1, 1, 1, None)]


def test_net_of_equal_images_stays_near_zero() -> None:
    image = texture(24, 20, 28)
    with torch.no_grad():
        ddf = small_net(warps=[(4, 2), (2, 2)])(torch.cat([image, image], dim=1))
    assert ddf.abs().max() < 0.1


def test_net_of_flat_images_is_zero() -> None:
    with torch.no_grad():
        ddf = small_net()(torch.ones(1, 2, 16, 12, 20))
    torch.testing.assert_close(ddf, torch.zeros_like(ddf), atol=1e-4, rtol=0)


def test_net_without_instance_optimization_does_not_fold() -> None:
    image = torch.cat([texture(24, 20, 28), texture(24, 20, 28, seed=1)], dim=1)
    with torch.no_grad():
        ddf = small_net(refinements=[])(image)
    assert folding_percent(jacobian_determinant(ddf)) == 0


def test_net_in_training_mode_is_differentiable() -> None:
    """One warp, neither consistency nor instance optimization, as the self-training wants it."""
    features = SelfTrainingFeatureNet((2, 3, 4, 4, 4))
    net = CoupledConvexNet(features, warps=[(8, 1), (8, 1)]).train()
    ddf = net(torch.cat([texture(16, 24, 16), texture(16, 24, 16, seed=1)], dim=1))
    ddf.square().mean().backward()
    assert ddf.shape == (1, 3, 16, 24, 16)
    gradient = next(features.parameters()).grad
    assert gradient is not None
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("shape", [(16, 24, 16), (15, 22, 18)])
@pytest.mark.parametrize("reference", [False, True])
def test_net_in_training_mode_predicts_on_a_coarser_grid(shape: tuple[int, ...], reference: bool) -> None:
    """Where every second voxel lies, in steps of two voxels."""
    features = SelfTrainingFeatureNet((2, 3, 4, 4, 4))
    image = torch.cat([texture(*shape), texture(*shape, seed=1)], dim=1)
    torch.manual_seed(0)
    options: dict[str, Any] = {"warps": [(8, 1)], "reference": reference}
    with torch.no_grad():
        coarse = CoupledConvexNet(features, training_stride=2, **options).train()(image)
        fine = CoupledConvexNet(features, **options).train()(image)
    assert coarse.shape == (1, 3, *(-(-n // 2) for n in shape))
    if not reference:
        torch.testing.assert_close(coarse, fine[..., ::2, ::2, ::2] / 2, atol=0.02, rtol=0.1)


def test_register_tells_what_the_instance_optimization_began_with() -> None:
    image = torch.cat([texture(16, 12, 20), texture(16, 12, 20, seed=1)], dim=1)
    net, plain = small_net(reference=True), small_net(reference=True, refinements=[])
    with torch.no_grad():
        refined, before = net.register(image)
        torch.testing.assert_close(refined, net(image))
        torch.testing.assert_close(before, plain(image))
        assert (refined - before).abs().max() > 0.01
        assert plain.register(image)[0].equal(plain.register(image)[1])


def test_net_in_inference_mode_equals_no_grad() -> None:
    image = torch.cat([texture(16, 12, 20), texture(16, 12, 20, seed=1)], dim=1)
    net = small_net()
    with torch.no_grad():
        expected = net(image)
    with torch.inference_mode():
        torch.testing.assert_close(net(image.clone()), expected)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # MONAI's export is TorchScript
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # sizes become constants, as the docstring says
def test_net_traces_without_instance_optimization() -> None:
    """A trace holds for the size of its example."""
    image = torch.cat([texture(16, 12, 20), texture(16, 12, 20, seed=1)], dim=1)
    net = small_net(refinements=[], warps=[(4, 1), (2, 1)], keep_best=False)
    with torch.no_grad():
        traced = torch.jit.trace(net, torch.rand(1, 2, 16, 12, 20))
        torch.testing.assert_close(traced(image), net(image))


def test_net_under_autocast_returns_float32() -> None:
    image = torch.cat([texture(16, 12, 20), texture(16, 12, 20, seed=1)], dim=1)
    net = small_net(features=SelfTrainingFeatureNet((2, 3, 4, 4, 4), 5, 6), warps=[(8, 1)], refinements=[(2, 2)])
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(image).dtype == torch.float32


def test_net_raises() -> None:
    with pytest.raises(
        ValueError, match=r"CoupledConvexNet\(\) expects 'image' of shape \(1, 2, 8, 8\), got \(1, 1, 8, 8\)"
    ):
        small_net()(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"CoupledConvexNet\(\) expects 'warps' of one pair or more, got none"):
        CoupledConvexNet(warps=[])


def test_net_never_folds() -> None:
    image = torch.cat([texture(20, 24, 22), texture(20, 24, 22, seed=1)], dim=1)
    with torch.no_grad():
        ddf = CoupledConvexNet(regularization=0.1, learning_rate=2.0).eval()(image)
    assert float(folding_percent(jacobian_determinant(ddf))) == 0


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_export_is_refused_in_a_sentence() -> None:
    net = CoupledConvexNet(warps=[(4, 2)]).eval()
    with pytest.raises(
        TypeError, match="fits each pair by gradient descent or chooses among fields, which TorchScript cannot hold"
    ):
        torch.jit.script(net)
    with pytest.raises(
        TypeError, match="fits each pair by gradient descent or chooses among fields, which TorchScript cannot hold"
    ):
        torch.jit.trace(net, torch.rand(1, 2, 16, 16, 16))
    choosing = CoupledConvexNet(warps=[(4, 1), (2, 1)], refinements=[]).eval()
    with pytest.raises(TypeError, match="chooses among fields, which TorchScript cannot hold"):
        torch.jit.trace(choosing, torch.rand(1, 2, 16, 16, 16))


def flat_pair() -> tuple[Tensor, Tensor, Tensor]:
    """Two images without texture; and a ball in them, moved by three voxels along the first axis: its two maps."""
    places = torch.stack(torch.meshgrid(*[torch.arange(32.0)] * 3, indexing="ij"))
    balls = [((places - torch.tensor(c).view(3, 1, 1, 1)).norm(dim=0) < 7).float() for c in ([14.0] * 3, [17, 14, 14])]
    return torch.full((1, 2, 32, 32, 32), 0.5), balls[0][None, None], balls[1][None, None]


def test_labels_alone_show_the_way() -> None:
    image, fixed, moving = flat_pair()
    with torch.no_grad():
        ddf = CoupledConvexNet(refinements=LONG).eval()(image, Guidance(30 * fixed, 30 * moving))
        overlap = (warp(moving, ddf, "nearest") * fixed).sum() / fixed.sum()
    assert float((moving * fixed).sum() / fixed.sum()) < 0.75
    assert overlap > 0.97
    assert float(folding_percent(jacobian_determinant(ddf))) == 0


def test_points_alone_show_the_way() -> None:
    image, *_ = flat_pair()
    fixed = torch.tensor([[8.0, 8, 8], [22, 10, 12], [12, 20, 22], [16, 16, 16]])
    moving = fixed + torch.tensor([[2.0, 0, 0], [0, -2.5, 0], [0, 1, 2], [1, 1, 1]])
    with torch.no_grad():
        ddf = CoupledConvexNet().eval()(image, Guidance(points=GuidingPoints(fixed, moving)))
    reached = fixed + torch.stack([ddf[0, :, i, j, k] for i, j, k in fixed.long().tolist()])
    assert (reached - moving).norm(dim=1).max() < 0.5


def test_points_hold_against_the_images() -> None:
    """The texture says that nothing moved."""
    image = texture(32, 32, 32).repeat(1, 2, 1, 1, 1)
    points = GuidingPoints(torch.tensor([[16.0, 16, 16]]), torch.tensor([[18.0, 16, 16]]))
    with torch.no_grad():
        ddf = CoupledConvexNet().eval()(image, Guidance(points=points))
    assert float(ddf[0, 0, 16, 16, 16]) == pytest.approx(2, abs=0.7)


def test_without_guidance_nothing_changes() -> None:
    image = torch.cat([texture(24, 24, 24), texture(24, 24, 24, seed=1)], dim=1)
    with torch.no_grad():
        assert torch.equal(small_net()(image), small_net()(image, UNGUIDED))


def test_fields_of_view_come_behind_their_images() -> None:
    """Fields of view that are the whole grid change nothing; what lies outside of smaller ones does not count."""
    fixed, moving = (texture(24, 24, 24, seed=seed) for seed in (0, 1))
    whole, half = torch.ones_like(fixed), torch.ones_like(fixed)
    half[:, :, 12:] = 0
    with torch.no_grad():
        plain, bounded, other = (
            small_net()(torch.cat(channels, 1))
            for channels in ([fixed, moving], [fixed, whole, moving, whole], [fixed, half, moving, whole])
        )
    assert torch.equal(plain, bounded)
    assert (other - plain)[:, :, 12:].abs().max() > 0.1


class Blind(torch.nn.Module):
    """Features that say nothing."""

    centered = True

    def forward(self, image: Tensor, stride: int = 1) -> Tensor:
        return F.avg_pool3d(torch.zeros_like(image), stride)


def test_gray_values_show_the_way_where_features_say_nothing() -> None:
    """The moving image has another contrast: dark and bright become bright, what is between becomes dark."""
    truth = F.interpolate(torch.tensor([1.5, -1.0, 0.5]).view(1, 3, 1, 1, 1), size=(36, 36, 36))
    image = texture(36, 36, 36)
    fixed, moving = warp(image, truth), (image - 0.3).abs()
    pair = torch.cat([fixed, moving], dim=1)
    with torch.no_grad():
        found, blind = (CoupledConvexNet(Blind(), information=w, regularization=10.0).eval()(pair) for w in (12.0, 0.0))
    inner = (slice(None), slice(None), *[slice(6, -6)] * 3)
    assert (found - truth)[inner].norm(dim=1).mean() < 0.4 * truth[inner].norm(dim=1).mean()
    assert not blind.any()
