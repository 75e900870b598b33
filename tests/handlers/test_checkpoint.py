import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from common.handlers import TrainingCheckpoint, newest_checkpoint

RUN_FOR_EVER = """
import runpy, sys
from pathlib import Path
runpy.run_path(sys.argv[1])["Training"](Path(sys.argv[2]), 10**6).run()
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_equal(first: Any, second: Any) -> None:
    """Bit by bit, whatever the nesting."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


def assert_same_objects(first: Any, second: Any) -> None:
    for name in first.checkpoint.objects:
        assert_equal(first.checkpoint.objects[name].state_dict(), second.checkpoint.objects[name].state_dict())


def assert_same_run(first: Any, second: Any) -> None:
    assert_same_objects(first, second)
    assert first.loss.regularization_weight == second.loss.regularization_weight
    assert first.trainer.state.iteration == second.trainer.state.iteration


@pytest.mark.parametrize("options", [{}, {"epoch_length": 2}, {"epoch_length": 5}, {"workers": 1}], ids=str)
def test_training_checkpoint_resumed_run_is_the_uninterrupted_run(
    training: Any, tmp_path: Path, options: dict[str, int]
) -> None:
    straight = training(tmp_path / "straight", 4, **options).run()
    training(tmp_path / "resumed", 2, **options).run()
    torch.rand(5)  # whatever else the process does
    resumed = training(tmp_path / "resumed", 4, resume=True, **options).run()
    assert_same_run(straight, resumed)
    files = [tmp_path / run / "checkpoint_epoch=4.pt" for run in ("straight", "resumed")]
    assert_equal(*(torch.load(file, weights_only=True) for file in files))


def test_training_checkpoint_epochs_differ(training: Any, tmp_path: Path) -> None:
    """The test above would say little about a training that does the same in each epoch."""
    one, two = (training(tmp_path / str(epochs), epochs).run() for epochs in (1, 2))
    assert not torch.equal(one.network[0].weight, two.network[0].weight)
    assert one.optimizer.param_groups[0]["lr"] != two.optimizer.param_groups[0]["lr"]
    assert one.loss.regularization_weight != two.loss.regularization_weight


def test_training_checkpoint_after_kill(training: Any, tmp_path: Path) -> None:
    conftest = Path(__file__).with_name("conftest.py")
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: sums of two are rounded otherwise
    process = subprocess.Popen([sys.executable, "-c", RUN_FOR_EVER, str(conftest), str(tmp_path)], env=one_thread)
    try:
        deadline = time.monotonic() + 60
        while not newest_checkpoint(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    epochs = int(newest.stem.split("=")[1]) + 2
    resumed = training(tmp_path, epochs, resume=True).run()
    assert_same_run(training(tmp_path / "straight", epochs).run(), resumed)
    assert not list(tmp_path.glob(".registration-part-*"))


def test_training_checkpoint_keeps_the_newest(training: Any, tmp_path: Path) -> None:
    training(tmp_path, 5, keep=2, interval=2).run()
    assert names(tmp_path) == {"checkpoint_epoch=4.pt", "checkpoint_epoch=5.pt", "model.pt"}
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=5.pt"


def test_newest_checkpoint_of_nothing(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "nowhere") is None
    (tmp_path / "model.pt").touch()
    assert newest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_newest_checkpoint_skips_truncated_ones(
    training: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    training(tmp_path, 3, keep=3).run()
    newest = tmp_path / "checkpoint_epoch=3.pt"
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    torch.save({"weight": torch.zeros(1)}, tmp_path / "checkpoint_epoch=4.pt")
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=2.pt"
    assert "checkpoint_epoch=3.pt holds no weights: it is damaged" in caplog.text
    assert "checkpoint_epoch=4.pt is skipped, it is no checkpoint" in caplog.text
    training(tmp_path, 3, resume=True, keep=1).run()
    assert newest.read_bytes() == content
    assert "checkpoint_epoch=2.pt" not in names(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        {"trainer": 3},
        {"trainer": {}},
        {"trainer": {"epoch": "3", "iteration": 9, "epoch_length": 3}},
        {"trainer": {"epoch": 3, "iteration": 9, "epoch_length": 3, "max_epochs": 1}},
        {"objects": {}},
        {"objects": [1]},
        {"validator": 3},
    ],
)
def test_newest_checkpoint_skips_what_is_made_otherwise(
    training: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: dict
) -> None:
    training(tmp_path, 2, keep=3).run()
    content = torch.load(tmp_path / "checkpoint_epoch=2.pt", weights_only=True)
    torch.save(content | damage, tmp_path / "checkpoint_epoch=3.pt")
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=2.pt"
    assert "checkpoint_epoch=3.pt is skipped, it is no checkpoint" in caplog.text


def test_training_checkpoint_of_damaged_objects(training: Any, tmp_path: Path) -> None:
    training(tmp_path, 2).run()
    content = torch.load(tmp_path / "checkpoint_epoch=2.pt", weights_only=True)
    for name in content["objects"]:
        damaged = content | {"objects": content["objects"] | {name: 3}}
        torch.save(damaged, tmp_path / "checkpoint_epoch=3.pt")
        with pytest.raises(ValueError, match=f"does not fit the {name} of this run"):
            training(tmp_path, 4, resume=True).run()


@pytest.mark.parametrize("function", ["torch.save", "os.fsync", "os.replace"])
def test_training_checkpoint_failed_write_leaves_the_older_ones(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    training(tmp_path, 2).run()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(function, fail)
        with pytest.raises(OSError, match="No space left on device"):
            training(tmp_path, 3, resume=True).run()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert_same_run(training(tmp_path / "straight", 3).run(), training(tmp_path, 3, resume=True).run())


def test_training_checkpoint_names_the_file_that_cannot_be_written(training: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/model\.pt cannot be written: "):
        training(tmp_path / "file", 1).run()


def test_training_checkpoint_best_metric_survives(training: Any, tmp_path: Path) -> None:
    """Epoch 2 is the best; 3 is as good, 4 worse, 5 better."""
    scores = [0.2, 0.7, 0.7, 0.6, 0.8]
    training(tmp_path, 2, scores=scores).run()
    best = (tmp_path / "model.pt").read_bytes()
    resumed = training(tmp_path, 4, scores=scores, resume=True).run()
    assert (tmp_path / "model.pt").read_bytes() == best
    assert (resumed.validator.state.best_metric, resumed.validator.state.best_metric_epoch) == (0.7, 2)
    last = training(tmp_path, 5, scores=scores, resume=True).run()
    assert_equal(dict(last.network.state_dict()), dict(torch.load(tmp_path / "model.pt", weights_only=True)))


def test_training_checkpoint_nan_is_not_the_best(training: Any, tmp_path: Path) -> None:
    scores = [float("nan"), 0.1, float("nan")]
    training(tmp_path, 1, scores=scores).run()
    assert "model.pt" not in names(tmp_path)
    resumed = training(tmp_path, 3, scores=scores, resume=True).run()
    assert resumed.validator.state.best_metric == 0.1


def test_training_checkpoint_complete_run_resumed(
    training: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    complete = training(tmp_path, 2).run()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with caplog.at_level(logging.INFO, "common"):
        resumed = training(tmp_path, 1, resume="True").run()  # fewer than are done, too
    assert_same_objects(complete, resumed)
    assert "Training is complete after epoch 2" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_training_checkpoint_runs_on(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path / "on", 2).run()
    run.trainer.state.max_epochs = 4
    assert_same_run(training(tmp_path / "straight", 4).run(), run.run())


def test_training_checkpoint_terminated_run(training: Any, tmp_path: Path) -> None:
    """Early stopping between two checkpoints."""
    run = training(tmp_path, 9, interval=5)
    run.validator.add_event_handler("COMPLETED", lambda: run.trainer.terminate())
    run.run()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=1.pt"


def test_training_checkpoint_resumes_where_there_is_none(
    training: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "common"):
        run = training(tmp_path / "first", 1, resume="true").run()
    assert f"There is no checkpoint in {tmp_path / 'first'}: training starts from the beginning." in caplog.text
    assert_same_run(training(tmp_path / "second", 1).run(), run)


def test_training_checkpoint_loses_no_earlier_run(training: Any, tmp_path: Path) -> None:
    training(tmp_path, 1).run()
    with pytest.raises(ValueError, match="holds checkpoints of an earlier run: use --resume true or another --ckpt_"):
        training(tmp_path, 1, resume="false").run()


def test_training_checkpoint_of_other_settings(training: Any, tmp_path: Path) -> None:
    training(tmp_path, 1).run()
    with pytest.raises(ValueError, match="written with 3 iterations per epoch, now there are 2: did the data"):
        training(tmp_path, 2, epoch_length=2, resume=True).run()
    other = training(tmp_path, 2, resume=True)
    other.checkpoint.objects["network"] = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="does not fit the network of this run: did its settings change"):
        other.run()
    more = training(tmp_path, 2, resume=True)
    more.checkpoint.objects["second"] = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="does not fit the second of this run"):
        more.run()


def test_training_checkpoint_without_validator(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 2, interval=2)
    run.checkpoint.validator = None
    run.run()
    assert_equal(dict(run.network.state_dict()), dict(torch.load(tmp_path / "model.pt", weights_only=True)))


def test_training_checkpoint_other_processes_only_read(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path / "second", 1)
    run.trainer.state.rank = 1
    run.run()
    assert not (tmp_path / "second").exists()


def test_training_checkpoint_mixed_precision_scale(training: Any, tmp_path: Path) -> None:
    first, second = (training(tmp_path, 1, resume=True) for _ in range(2))
    for run in (first, second):
        run.trainer.scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
        run.trainer.state.epoch_length = 3
    first.trainer.scaler.scale(torch.ones(1))
    first.trainer.scaler.update(64.0)
    first.trainer.state.epoch = 1
    first.checkpoint.save(first.trainer)
    second.checkpoint.start(second.trainer)
    assert second.trainer.scaler.get_scale() == 64


def test_training_checkpoint_names_are_those_of_the_network_alone(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1)
    run.checkpoint.objects["network"] = nn.DataParallel(run.network)
    run.run()
    assert torch.load(tmp_path / "model.pt", weights_only=True).keys() == run.network.state_dict().keys()
    resumed = training(tmp_path, 2, resume=True).run()
    wrapped = training(tmp_path / "wrapped", 1, initial_weights=tmp_path / "model.pt")
    wrapped.checkpoint.objects["network"] = nn.DataParallel(wrapped.network)
    wrapped.checkpoint.start(wrapped.trainer)
    assert_equal(dict(wrapped.network.state_dict()), dict(run.network.state_dict()))
    assert_same_run(training(tmp_path / "straight", 2).run(), resumed)


def test_training_checkpoint_initial_weights(training: Any, tmp_path: Path) -> None:
    first = training(tmp_path / "first", 1).run()
    model = tmp_path / "first" / "model.pt"
    tuned = training(tmp_path / "tuned", 1, initial_weights=model)
    tuned.checkpoint.start(tuned.trainer)
    assert_equal(dict(tuned.network.state_dict()), dict(first.network.state_dict()))
    training(tmp_path / "tuned", 1, initial_weights=model).run()
    straight = training(tmp_path / "straight", 2, initial_weights=model).run()
    model.unlink()
    assert_same_run(straight, training(tmp_path / "tuned", 2, initial_weights=model, resume=True).run())


def test_training_checkpoint_initial_weights_that_do_not_fit(training: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There are no weights at .*nothing\.pt\."):
        training(tmp_path, 1, initial_weights=tmp_path / "nothing.pt").run()
    other = tmp_path / "other.pt"
    other.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"other\.pt holds no weights: it is damaged"):
        training(tmp_path, 1, initial_weights=other).run()
    torch.save(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(9)).state_dict(), other)
    with pytest.raises(ValueError, match=r"do not fit the network: 6 of 9 are missing, .* 1\.bias among them"):
        training(tmp_path, 1, initial_weights=other).run()


def test_training_checkpoint_rejects_wrong_arguments(training: Any, tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"TrainingCheckpoint\(\) expects 'objects' with a network, got net\."):
        TrainingCheckpoint(tmp_path, {"net": network})
    wrong: dict[str, Any]
    for name in ("keep", "interval"):
        wrong = {name: 0}
        with pytest.raises(ValueError, match=rf"TrainingCheckpoint\(\) expects '{name}' of 1 or more, got 0\."):
            TrainingCheckpoint(tmp_path, {"network": network}, **wrong)
    with pytest.raises(ValueError, match=r"TrainingCheckpoint\(\) expects 'resume' to be true or false, got yes\."):
        TrainingCheckpoint(tmp_path, {"network": network}, resume="yes")
    validator = training(tmp_path, 1).validator
    validator.state.key_metric_name = None
    with pytest.raises(ValueError, match=r"TrainingCheckpoint\(\) expects 'validator' with a key metric, got none\."):
        TrainingCheckpoint(tmp_path, {"network": network}, validator)
