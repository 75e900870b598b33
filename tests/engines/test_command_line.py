"""What a run is given is checked before it starts."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from common.engines import check_device, check_options, command_line_pairs


@pytest.mark.parametrize("features", ["mind", "random"])
def test_check_options_knows_features_without_weights(features: str, tmp_path: Path) -> None:
    check_options(tmp_path, "cpu", features=features, checkpoint=tmp_path / "absent.pt")


def test_check_options_checks_features(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--features is expected to be one of mind, .*, got mnid\.$"):
        check_options(tmp_path / "out", "cpu", features="mnid")
    with pytest.raises(
        FileNotFoundError, match=r"^There are no trained weights at .*absent\.pt: use --features mind or"
    ):
        check_options(tmp_path / "out", "cpu", features="trained", checkpoint=tmp_path / "absent.pt")
    assert not (tmp_path / "out").exists()
    torch.save({"weight": torch.ones(1)}, tmp_path / "model.pt")
    check_options(tmp_path / "out", "cpu", features="trained", checkpoint=tmp_path / "model.pt")


def test_command_line_pairs_are_those_given(tmp_path: Path) -> None:
    pairs = command_line_pairs(tmp_path, datalist=None, fixed_image="a.nii", moving_image="b.nii", fixed_label=None)
    assert pairs == [{"fixed_image": "a.nii", "moving_image": "b.nii"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed_image": "a.nii"}, "A pair needs fixed_image and moving_image, but the command line gives no moving"),
        ({"datalist": "absent.csv"}, r"There is no file absent\.csv"),
    ],
)
def test_command_line_pairs_says_one_sentence(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=f"^{message}"):
        command_line_pairs(tmp_path, **options)


def test_names_of_files_are_told_or_restored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--output_dir .*run::2 is expected to be a name without # and ::"):
        check_options(tmp_path / "run::2", "cpu")
    assert not (tmp_path / "run::2").exists()
    (tmp_path / "a#1.nii").touch()
    (pair,) = command_line_pairs(tmp_path, fixed_image=f"{tmp_path}/a::1.nii", moving_image="b.nii")
    assert pair["fixed_image"] == f"{tmp_path}/a#1.nii"


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_check_device_gives_the_device(device: str | torch.device) -> None:
    assert check_device(device) == torch.device("cpu")


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "cuda:99", "meta", True, -1.5, None, [1], {}])
def test_check_device_rejects_what_is_not_there(device: str) -> None:
    with pytest.raises(ValueError, match=r"^--device .* is not available on this machine: use --device cpu\.$"):
        check_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_check_options_rejects_an_absent_gpu(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--device cuda is not available on this machine: use --device cpu\.$"):
        check_options(tmp_path / "out", "cuda")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out", "new/out", "new/../../out", "out/"])
def test_check_options_leaves_no_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    check_options(name, "cpu")
    check_options(tmp_path / "here" / name, "cpu")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("name", ["file", "file/out"])
def test_check_options_rejects_a_folder_blocked_by_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"^--output_dir .*file.* cannot be written: (File exists|Not a direc)"):
        check_options(tmp_path / name, "cpu")


def test_command_line_pairs_knows_both_directions(tmp_path: Path) -> None:
    given = {"fixed_image": "f.nii", "moving_image": "m.nii"}
    assert [pair["pair"] for pair in command_line_pairs(tmp_path, "both", **given)] == ["forward", "reverse"]
    with pytest.raises(ValueError, match=r"^--direction is expected to be one of forward, both, got back\.$"):
        command_line_pairs(tmp_path, "back", **given)


def test_both_directions_of_the_built_in_pair_are_not_written_before_they_are_asked_for(tmp_path: Path) -> None:
    pairs = command_line_pairs(tmp_path, "both", fixed_image=None)
    assert len(pairs) == 2
    assert not list(tmp_path.iterdir())


def test_check_options_wants_the_weights_of_a_trained_bundle(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no trained weights at .*absent\.pt: give --checkpoint, or train them"
    ):
        check_options(tmp_path, "cpu", checkpoint=tmp_path / "absent.pt")
    check_options(tmp_path, "cpu")


def test_check_options_knows_a_training_that_was_not_validated(tmp_path: Path) -> None:
    torch.save(
        {"trainer": {"epoch": 3, "iteration": 3, "epoch_length": 1}, "objects": {"network": {}}},
        tmp_path / "checkpoint_epoch=3.pt",
    )
    with pytest.raises(FileNotFoundError, match=r"model\.pt: no validation has chosen .*checkpoint_epoch=3\.pt\.$"):
        check_options(tmp_path, "cpu", checkpoint=tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError, match=r"modell\.pt: give --checkpoint, or train them\.$"):
        check_options(tmp_path, "cpu", checkpoint=tmp_path / "modell.pt")


def test_check_options_finds_the_network_in_a_file_of_several(tmp_path: Path) -> None:
    several, one, damaged = (tmp_path / f"{name}.pt" for name in ("several", "one", "damaged"))
    torch.save({"digit_0": {"weight": torch.zeros(1)}, "digit_1": {"weight": torch.zeros(1)}}, several)
    torch.save({"weight": torch.zeros(1)}, one)
    damaged.write_text("no weights")
    check_options(tmp_path, "cpu", checkpoint=several, checkpoint_key="digit_1")
    check_options(tmp_path, "cpu", checkpoint=one, checkpoint_key="model")
    with pytest.raises(ValueError, match=r"^There is no network digit_2 in .*: --checkpoint_key is one of digit_0"):
        check_options(tmp_path, "cpu", checkpoint=several, checkpoint_key="digit_2")
    with pytest.raises(ValueError, match=r"^.*damaged\.pt holds no weights: it is damaged, or no file of PyTorch\.$"):
        check_options(tmp_path, "cpu", checkpoint=damaged, checkpoint_key="model")


def test_command_line_pairs_are_those_of_a_cine(tmp_path: Path) -> None:
    cine = tmp_path / "cine.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 2, 3), np.uint8), np.eye(4)), cine)
    names: dict[str, Any] = {"datalist": None, "fixed_image": None, "phantom": "heart"}
    pairs = command_line_pairs(tmp_path, cine=cine, moving_phase=2, fixed_phase=None, **names)
    assert [pair["pair"] for pair in pairs] == ["phase_00_from_02", "phase_01_from_02"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cine": "a.nii", "fixed_image": "b.nii"}, "Give either --cine or other files, got --cine and --fixed_image;"),
        ({"cine": "a.nii", "direction": "both"}, "--direction both is for pairs: with --cine set"),
        ({"cine": "absent.nii"}, r"There is no file absent\.nii"),
        ({"label": "a.nii"}, "--label is that of a --cine: for a pair give --fixed_label and --moving_label"),
    ],
)
def test_command_line_pairs_tells_mistakes_with_a_cine(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=f"^{message}"):
        command_line_pairs(tmp_path, **options)
