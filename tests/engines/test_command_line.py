"""Mistakes on the command line end in one sentence."""

import errno
import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from common.engines import (
    bundle_root,
    check_device,
    check_options,
    command_line_pairs,
    one_sentence,
    run_engine,
    sentence,
)
from common.engines.command_line import config_files


def chained(*errors: Exception) -> Exception:
    """The errors as raised one from the other, the first at the bottom."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


def applying() -> Exception:
    """What MONAI puts around every error in a transform."""
    return RuntimeError("applying transform <common.transforms.load_scans.LoadScansd object>")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a.nii is constant."), "a.nii is constant."),
        (ValueError("two\n   lines"), "two lines"),
        (chained(ValueError("a.nii is constant."), applying()), "a.nii is constant."),
        (chained(ValueError("inner"), applying(), RuntimeError("outer")), "inner"),
        (chained(KeyError("reader"), ValueError("a.nii is damaged."), applying()), "a.nii is damaged."),
        (chained(OSError("a.nii cannot be written: full."), applying()), "a.nii cannot be written: full."),
        (RuntimeError("no cause"), "no cause"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.nii"), "a.nii: No such file or directory."),
        (MemoryError(), "There is not enough memory for this pair: choose a coarser spacing."),
        (chained(MemoryError(), RuntimeError("outer")), "There is not enough memory"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB."), "There is not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "There is not enough memory"),
        (
            RuntimeError("Error(s) in loading state_dict for Net: Missing key(s): a, b"),
            "The weights of --checkpoint are of",
        ),
        (ValueError(), "ValueError"),
    ],
)
def test_sentence_is_the_message_at_the_bottom(error: Exception, expected: str) -> None:
    assert sentence(error).startswith(expected)
    assert "\n" not in sentence(error)


@pytest.mark.parametrize("error", [ValueError, TypeError, OSError, RuntimeError, FileNotFoundError])
def test_one_sentence_exits(error: type[Exception]) -> None:
    with pytest.raises(SystemExit, match=r"^Error: it is so\.$"), one_sentence():
        raise error("it is so.")


def test_one_sentence_lets_programming_errors_through() -> None:
    with pytest.raises(KeyError, match="a bug"), one_sentence():
        raise KeyError("a bug")


def test_one_sentence_says_nothing_where_all_is_well() -> None:
    with one_sentence():
        value = 1
    assert value == 1


@pytest.mark.parametrize(
    "option",
    [
        ["--config_file", "b/configs/a.json"],
        ["--config_file=b/configs/a.json"],
        ["--config_file", "['b/configs/a.json']"],
        ["--run_id", "run", "--config_file", '"b/configs/a.json"', "--device", "cpu"],
    ],
)
def test_config_files_of_one_file(option: list[str]) -> None:
    assert config_files(["python", "run", *option]) == ["b/configs/a.json"]


@pytest.mark.parametrize(
    "option",
    [
        ["--config_file", "['b/configs/a.json','c.json']"],
        ["--config_file", '["b/configs/a.json", "c.json"]'],
        ["--config_file=['b/configs/a.json', 'c.json']"],
        ["--config_file", "[b/configs/a.json,c.json]"],
    ],
)
def test_config_files_of_a_list(option: list[str]) -> None:
    assert config_files(["python", "run", *option]) == ["b/configs/a.json", "c.json"]


def test_config_files_without_any() -> None:
    assert config_files(["python", "run", "--device", "cpu"]) == []
    assert config_files([]) == []


def test_bundle_root_is_above_the_first_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["monai/bundle", "run", "--config_file", "['/b/configs/a.json','x.json']"])
    assert bundle_root() == "/b"
    monkeypatch.setattr(sys, "argv", ["monai/bundle", "run", "--config_file", "configs/a.json"])
    assert bundle_root() == "."
    monkeypatch.setattr(sys, "argv", ["python"])
    assert bundle_root() == "."


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Two config files; the second is an overlay."""
    (tmp_path / "a.json").write_text(json.dumps({"spacing": None, "fixed_image": None, "network": {"depth": 3}}))
    (tmp_path / "b.json").write_text(json.dumps({"epochs": 3, "network#width": 2}))
    return tmp_path


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> None:
    files = f"['{folder / 'a.json'}','{folder / 'b.json'}']"
    monkeypatch.setattr(sys, "argv", ["/x/monai/bundle/__main__.py", "run", "--config_file", files, *options])
    check_options(folder / "out", "cpu")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--spacing", "2"],
        ["--spacing=2", "--epochs", "1"],
        ["--network#depth", "4"],
        ["--network::depth", "4"],
        ["--run_id", "run", "--logging_file", "a.conf", "--args_file=x.json"],
        ["--spacing", "-2"],
    ],
)
def test_check_options_accepts_what_the_configs_know(
    options: list[str], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(monkeypatch, bundle, *options)
    assert list((bundle / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--spacng", "2"], r"^Error: --spacng is not an option of this bundle\. Did you mean --spacing\?$"),
        (["--fixed_imgae=a.nii"], r"--fixed_imgae is not an option of this bundle\. Did you mean --fixed_image\?"),
        (["--qwertz", "2"], r"--qwertz is not an option of this bundle\.$"),
        (["--epocs#x", "2"], r"--epocs#x is not an option of this bundle\. Did you mean --epochs\?"),
    ],
)
def test_check_options_rejects_an_unknown_option(
    options: list[str], message: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=message):
        check(monkeypatch, bundle, *options)
    assert not (bundle / "out").exists()


def test_check_options_looks_at_bundle_runs_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in (["pytest", "--anything"], ["monai", "train", "--anything"], ["monai", "run", "--anything"]):
        monkeypatch.setattr(sys, "argv", argv)
        check_options(tmp_path, "cpu")


@pytest.mark.parametrize("features", ["mind", "random"])
def test_check_options_knows_features_without_weights(features: str, tmp_path: Path) -> None:
    check_options(tmp_path, "cpu", features=features, checkpoint=tmp_path / "absent.pt")


def test_check_options_checks_features(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^Error: --features is expected to be one of mind, .*, got mnid\.$"):
        check_options(tmp_path / "out", "cpu", features="mnid")
    with pytest.raises(
        SystemExit, match=r"^Error: There are no trained weights at .*absent\.pt: use --features mind or"
    ):
        check_options(tmp_path / "out", "cpu", features="trained", checkpoint=tmp_path / "absent.pt")
    assert not (tmp_path / "out").exists()
    (tmp_path / "model.pt").touch()
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
    with pytest.raises(SystemExit, match=f"^Error: {message}"):
        command_line_pairs(tmp_path, **options)


def test_names_of_files_are_told_or_restored(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"^Error: --fixed_image a#1.nii is taken for 'a', .* write it as \./a#1.nii$"):
        check(monkeypatch, bundle, "--fixed_image", "a#1.nii")
    monkeypatch.undo()
    with pytest.raises(SystemExit, match=r"^Error: --output_dir .*run::2 is expected to be a name without # and ::"):
        check_options(tmp_path / "run::2", "cpu")
    assert not (tmp_path / "run::2").exists()
    (tmp_path / "a#1.nii").touch()
    (pair,) = command_line_pairs(tmp_path, fixed_image=f"{tmp_path}/a::1.nii", moving_image="b.nii")
    assert pair["fixed_image"] == f"{tmp_path}/a#1.nii"


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_check_device_gives_the_device(device: str | torch.device) -> None:
    assert check_device(device) == torch.device("cpu")


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "cuda:99"])
def test_check_device_rejects_what_is_not_there(device: str) -> None:
    with pytest.raises(ValueError, match=rf"--device {device} is not available on this machine: use --device cpu\."):
        check_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_check_options_rejects_an_absent_gpu(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"^Error: --device cuda is not available on this machine: use --device cpu\.$"
    ):
        check_options(tmp_path / "out", "cuda")
    assert not (tmp_path / "out").exists()


def test_check_options_makes_the_folder(tmp_path: Path) -> None:
    check_options(str(tmp_path / "new" / "out"), "cpu")
    assert (tmp_path / "new" / "out").is_dir()


@pytest.mark.parametrize("name", ["file", "file/out"])
def test_check_options_rejects_a_folder_blocked_by_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit, match=r"^Error: --output_dir .*file.* cannot be written: (File exists|Not a direc)"):
        check_options(tmp_path / name, "cpu")


def test_run_engine_tells_a_mistake_in_one_sentence() -> None:
    def fail() -> None:
        raise ValueError("The loss is not finite.")

    with pytest.raises(SystemExit, match=r"^Error: The loss is not finite\.$"):
        run_engine(SimpleNamespace(run=fail))


def test_command_line_pairs_knows_both_directions(tmp_path: Path) -> None:
    given = {"fixed_image": "f.nii", "moving_image": "m.nii"}
    assert [pair["pair"] for pair in command_line_pairs(tmp_path, "both", **given)] == ["forward", "reverse"]
    with pytest.raises(SystemExit, match=r"^Error: --direction is expected to be one of forward, both, got back\.$"):
        command_line_pairs(tmp_path, "back", **given)


def test_check_options_wants_the_weights_of_a_trained_bundle(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no trained weights at .*absent\.pt: give --checkpoint, or train them"):
        check_options(tmp_path, "cpu", checkpoint=tmp_path / "absent.pt")
    check_options(tmp_path, "cpu")


def test_check_options_finds_the_network_in_a_file_of_several(tmp_path: Path) -> None:
    several, one, damaged = (tmp_path / f"{name}.pt" for name in ("several", "one", "damaged"))
    torch.save({"digit_0": {"weight": torch.zeros(1)}, "digit_1": {"weight": torch.zeros(1)}}, several)
    torch.save({"weight": torch.zeros(1)}, one)
    damaged.write_text("no weights")
    check_options(tmp_path, "cpu", checkpoint=several, checkpoint_key="digit_1")
    check_options(tmp_path, "cpu", checkpoint=one, checkpoint_key="model")
    with pytest.raises(
        SystemExit, match=r"^Error: There is no network digit_2 in .*: --checkpoint_key is one of digit_0"
    ):
        check_options(tmp_path, "cpu", checkpoint=several, checkpoint_key="digit_2")
    with pytest.raises(SystemExit, match=r"^Error: .*damaged\.pt cannot be read as the weights of a network\.$"):
        check_options(tmp_path, "cpu", checkpoint=damaged, checkpoint_key="model")


def test_command_line_pairs_are_those_of_a_cine(tmp_path: Path) -> None:
    cine = tmp_path / "cine.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 2, 3), np.uint8), np.eye(4)), cine)
    names = {"datalist": None, "fixed_image": None, "phantom": "heart"}
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
    with pytest.raises(SystemExit, match=f"^Error: {message}"):
        command_line_pairs(tmp_path, **options)
