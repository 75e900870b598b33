"""The cycle around a trainer: labels, stages, learning rate, and what a killed run does again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from common.data import DataLoader, PairDataset, PseudoLabelledPairs, PseudoLabels
from common.handlers import EpochSeed, SelfTrainingCycle, TrainingCheckpoint
from common.losses import FieldError, RegistrationLoss
from common.networks.nets import CoupledConvexNet, SelfTrainingFeatureNet

WIDTHS = (2, 3, 4, 4, 4)
NO_DATA: Any = None
SHAPE = (16, 24, 16)


class PowerCutError(Exception):
    """Of a process that is killed."""


def prepare(batch: dict[str, Any], device: Any, non_blocking: bool = False, **_: Any) -> tuple[Tensor, dict[str, Any]]:
    return torch.cat([batch["fixed_image"], batch["moving_image"]], dim=1), batch


class Run:
    """Fresh objects, as in a new process."""

    def __init__(
        self,
        folder: Path,
        epochs: int = 4,
        labelled: bool = True,
        resume: bool = True,
        brightness: float = 1.0,
        **options: Any,
    ) -> None:
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(1)
        images = [brightness * torch.rand(1, *SHAPE, generator=generator) for _ in range(3)]
        cases = [{"image": image, "name": f"case{n}"} for n, image in enumerate(images)]
        self.features = SelfTrainingFeatureNet(WIDTHS)
        network = CoupledConvexNet(self.features, [(8, 1)], refinements=[], training_stride=2)
        self.labeler = CoupledConvexNet(self.features, [(8, 1)], refinements=[(2, 2)])
        self.labels = PseudoLabels(folder / "labels")
        pairs = PairDataset(cases, pairing="unordered", shuffle=False)
        self.data = PseudoLabelledPairs(pairs, self.labels if labelled else None, length=4)
        settings: dict[str, Any] = {
            "epochs": 2,
            "learning_rate": 0.01,
            "final_learning_rate": 0.001,
            "margin": 1,
            **options,
        }
        self.cycle = SelfTrainingCycle(self.labeler, self.data, **settings | options)
        optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
        self.rates: list[float] = []
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=DataLoader(self.data, batch_size=2),
            network=network,
            optimizer=optimizer,
            loss_function=RegistrationLoss({"field": [3.0, FieldError("pseudo_label", squared=False, margin=1)]}),
            prepare_batch=prepare,
            decollate=False,
        )
        self.cycle.attach(self.trainer)
        TrainingCheckpoint(folder, {"network": network, "optimizer": optimizer}, resume=resume).attach(self.trainer)
        EpochSeed(5).attach(self.trainer)

        @self.trainer.on(Events.ITERATION_COMPLETED)
        def _(engine: Any) -> None:
            self.rates.append(engine.optimizer.param_groups[0]["lr"])

    def run(self) -> "Run":
        self.trainer.run()
        return self

    def result(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.features.state_dict().items()}


def count_labels(run: Run, monkeypatch: pytest.MonkeyPatch, killed_after: int | None = None) -> list[int]:
    """Numbers of what is labeled; the process dies after some."""
    made: list[int] = []
    label = run.cycle.label

    def counted(image: Tensor) -> tuple[Tensor, float]:
        if len(made) == killed_after:
            raise PowerCutError
        made.append(len(made))
        return label(image)

    monkeypatch.setattr(run.cycle, "label", counted)
    return made


def test_each_stage_has_labels_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path).run()
    fields = [[run.labels.field(stage, number) for number in range(3)] for stage in range(2)]
    assert all(field.shape == (3, 8, 12, 8) for stage in fields for field in stage)
    assert all(not torch.equal(*pair) for pair in zip(*fields, strict=True))
    assert run.trainer.state.metrics["stage"] == 2
    assert "refresh_seconds" not in run.trainer.state.metrics  # of the last epoch


def test_first_labels_are_those_of_the_network_as_it_began_and_another_one_learns(tmp_path: Path) -> None:
    run = Run(tmp_path, epochs=1)
    before, image = run.result(), run.data.pairs[0]
    pair = torch.cat([image["fixed_image"], image["moving_image"]])[None]
    run.labeler.eval()
    expected, difficulty = run.cycle.label(pair)
    run.trainer.state.epoch = 1
    run.cycle.begin_epoch(run.trainer)
    torch.testing.assert_close(run.labels.field(0, 0), expected, atol=0.01, rtol=0)
    assert run.labels.difficulty(0, 0) == pytest.approx(difficulty)
    after = run.result()
    assert all(not after[f"{n}.weight"].equal(before[f"{n}.weight"]) for n in (0, 3, 6, 9, 12, 15))  # convolutions


def test_given_weights_go_on_learning(tmp_path: Path) -> None:
    run = Run(tmp_path, fresh=False)
    before = run.result()
    run.trainer.state.epoch = 1
    run.cycle.begin_epoch(run.trainer)
    assert all(value.equal(before[name]) for name, value in run.result().items())


def test_learning_rate_begins_anew_with_each_stage(tmp_path: Path) -> None:
    rates = Run(tmp_path).run().rates
    assert rates[0] == pytest.approx(0.01)
    assert rates[:4] == rates[4:]
    assert rates[:4] == sorted(rates[:4], reverse=True)
    assert rates[3] > 0.001
    middle = (0.01 + 0.001) / 2
    assert rates[2] == pytest.approx(middle)


def test_a_run_without_labels_makes_none_and_keeps_its_weights(tmp_path: Path) -> None:
    run = Run(tmp_path, labelled=False)
    before = run.result()
    for run.trainer.state.epoch in (1, 3):
        run.cycle.begin_epoch(run.trainer)
    assert not (tmp_path / "labels").exists()
    assert all(value.equal(before[name]) for name, value in run.result().items())


@pytest.mark.parametrize("killed_after", [1, 4])
def test_refresh_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    whole = Run(tmp_path / "whole").run().result()
    first = Run(tmp_path / "parts")
    count_labels(first, monkeypatch, killed_after)
    with pytest.raises(PowerCutError):
        first.run()
    second = Run(tmp_path / "parts")
    made = count_labels(second, monkeypatch)
    parts = second.run().result()
    assert len(made) == 6 - killed_after  # of three pairs in two stages
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_run_that_was_stopped_in_any_stage_is_the_uninterrupted_one(tmp_path: Path, epochs: int) -> None:
    whole = Run(tmp_path / "whole").run()
    Run(tmp_path / "parts", epochs=epochs).run()
    parts = Run(tmp_path / "parts").run()
    assert all(torch.equal(value, parts.result()[name]) for name, value in whole.result().items())
    assert parts.rates == whole.rates[2 * epochs :]


def test_labels_of_another_network_or_setting_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Run(tmp_path, epochs=1).cycle.refresh(0)
    again, wider, smoother, other = (Run(tmp_path, margin=margin) for margin in (1, 2, 1, 1))
    smoother.labeler.regularization += 1
    nn.init.ones_(other.features.get_parameter("0.weight"))
    for run, count in ((again, 0), (wider, 3), (smoother, 3), (other, 3)):
        made = count_labels(run, monkeypatch)
        run.cycle.refresh(0)
        assert len(made) == count


def test_lost_labels_of_a_stage_under_way_are_a_mistake(tmp_path: Path) -> None:
    Run(tmp_path, epochs=1).run()
    next((tmp_path / "labels").rglob("pair=1.npy")).unlink()
    with pytest.raises(ValueError, match=r"There is no whole pseudo label .*pair=1\.npy"):
        Run(tmp_path).run()


@pytest.mark.parametrize(
    ("changed", "what"), [({"stride": 1}, "settings"), ({"stride": 4}, "settings"), ({"brightness": 2.0}, "images")]
)
def test_labels_of_other_images_or_settings_in_a_stage_under_way_are_a_mistake(
    tmp_path: Path, changed: dict[str, Any], what: str
) -> None:
    Run(tmp_path, epochs=1).run()
    with pytest.raises(
        ValueError, match=rf"^The pseudo labels of stage 1, which goes on, were made of other {what} than"
    ):
        Run(tmp_path, **changed).run()


def test_label_equals_released_pseudo_label(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    """Two warps and instance optimization, at half resolution, as the released code keeps it."""
    recorded = oracle("003_pipeline_two_warps_adam")
    weights = {k[2:].replace("__", "."): torch.tensor(v) for k, v in recorded.items() if k.startswith("w_")}
    features = SelfTrainingFeatureNet([len(weights[f"{n}.bias"]) for n in (0, 3, 6, 9, 12)], len(weights["15.bias"]))
    features.load_state_dict(weights, strict=False)
    features.projection = torch.tensor(recorded["proj_weight"]).flatten(1)
    settings: dict[str, Any] = {"refinements": [(2, 50)], "regularization": 10.0, "reference": True}
    settings |= {"keep_best": False, "bending": False, "information": 0.0}
    labeler = CoupledConvexNet(features, [(8, 2), (8, 2)], **settings).eval()
    image = (torch.tensor(recorded["images"]).float()[:, 0] / 1000).clamp(-0.4, 0.6)[None]
    field, difficulty = SelfTrainingCycle(labeler, NO_DATA, 1, 0.1, 0.1).label(image)
    extents = torch.tensor([(n - 1) / 2 for n in field.shape[1:]]).view(-1, 1, 1, 1)
    errors = ((field / extents).flip(0) - torch.tensor(recorded["field_half_adam"])[0].float()).abs()
    # What rounding does to gradient descent is told in tests/optimization/test_instance_optimization.py.
    assert (errors < 2e-3).float().mean() > 0.99
    assert errors.mean() < 5e-4
    change = torch.tensor(recorded["field_half_adam"].astype(np.float32) - recorded["field_half_noadam"])[0].flip(0)
    expected = (change * extents)[:, 8:-8, 8:-8, 8:-8].norm(dim=0).mean()
    assert difficulty == pytest.approx(float(expected), rel=0.01)


@pytest.mark.parametrize(("shape", "margin"), [((16, 15, 16), 1), ((16, 24, 16), 4)])
def test_sizes_without_labels_raise(shape: tuple[int, ...], margin: int) -> None:
    labeler = CoupledConvexNet(SelfTrainingFeatureNet(WIDTHS), [(8, 1)], refinements=[]).eval()
    cycle = SelfTrainingCycle(labeler, NO_DATA, 1, 0.1, 0.1, margin=margin)
    with pytest.raises(ValueError, match=r"Pseudo labels need a spatial_size that 2 divides and of which a margin of"):
        cycle.label(torch.rand(1, 2, *shape))
