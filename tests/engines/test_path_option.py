"""Names of files arrive as they were written, or not at all."""

from pathlib import Path
from typing import Any

import fire
import pytest
from monai.bundle import ConfigParser

from common.engines.path_option import (
    as_written,
    check_ending,
    check_flags,
    check_folder_name,
    check_path_options,
    restore_name,
)
from common.io import InputError


@pytest.mark.parametrize("name", ["1001", "1_2", "1.10", "0000_0000", "1e3", "a,b", "(paren)", "None", "True"])
@pytest.mark.parametrize("option", ["--output_dir {}", "--output_dir={}", "--output-dir {}"])
def test_check_path_options_rejects_a_folder_taken_for_something_else(name: str, option: str) -> None:
    with pytest.raises(ValueError, match=r"^--output_dir .* is taken for .*, not for a name: write it as \./"):
        check_path_options(["--spacing", "2", *option.format(name).split(" ")])


@pytest.mark.parametrize(
    "name", ["./1001", "./1e3", "./a,b", "./(paren)", "./None", "data-1", "a.b", "true", "/a/1", "'1'"]
)
def test_check_path_options_takes_names_that_arrive(name: str) -> None:
    check_path_options(["--output_dir", name, "--fixed_image", name, f"--checkpoint={name}"])


@pytest.mark.parametrize("option", ["--fixed_image", "--moving_label", "--datalist", "--initial_transform"])
def test_check_path_options_rejects_a_name_cut_short(option: str) -> None:
    with pytest.raises(ValueError, match=r"scan#1\.nii\.gz is taken for 'scan', not for a name: write it as \./scan#1"):
        check_path_options([option, "scan#1.nii.gz"])


def test_check_path_options_leaves_what_is_no_name() -> None:
    check_path_options(["--spacing", "[2,2]", "--moving_label", "None", "--resume", "--datalist", "[{'a': 1}]"])
    check_path_options(["--config_file", "['a.json','b.json']", "--fixed_image", "./scan#1.nii.gz"])


@pytest.mark.parametrize("name", ["run#2", "/a/run#2", "#hash", "run::2"])
def test_folders_have_names_a_config_can_hold(name: str) -> None:
    with pytest.raises(ValueError, match=r"is expected to be a name without # and ::, which a config mixes up\.$"):
        check_folder_name("output_dir", name)
    with pytest.raises(ValueError, match=r"--ckpt_dir .* is expected to be a name without # and ::"):
        check_path_options(["--ckpt_dir", name])


def test_restore_name_undoes_what_a_config_did(tmp_path: Path) -> None:
    (tmp_path / "scan#1.nii.gz").touch()
    (tmp_path / "a::b").touch()
    names = {"scan": str(tmp_path / "scan#1.nii.gz"), "other": str(tmp_path / "a::b"), "gone": "gone#1", "none": None}
    parser = ConfigParser({"datalist": [dict(names)]})
    found = parser.get_parsed_content("datalist")
    assert found[0]["scan"] != names["scan"]
    assert restore_name(found) == [{**names, "gone": "gone::1"}]


@pytest.mark.parametrize("name", ["1_2", "1e3", "a,b", "scan#1.nii.gz", "None", "(paren)"])
def test_as_written_keeps_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command(first: str, *others: str, output: str | None = None, inverse: bool = False, spacing: float = 1) -> str:
        return repr((first, others, output, inverse, spacing))

    fire.Fire(as_written(command), command=[name, name, name, "--output", name, "--inverse", "--spacing", "2"])
    assert capsys.readouterr().out.strip() == repr((name, (name, name), name, True, 2))


def test_check_ending() -> None:
    number: Any = 3  # as a command line may have it
    check_ending("A.NII.GZ", (".nii.gz", ".nii"))
    with pytest.raises(ValueError, match=r"--output is expected to end in \.nii\.gz or \.nii, got 3\."):
        check_ending(number, (".nii.gz", ".nii"))


@pytest.mark.parametrize("value", ["a.nii", 0, 1, None, []])
def test_check_flags(value: object) -> None:
    check_flags(half=True, mean=False)
    with pytest.raises(InputError, match="--mean takes no value"):
        check_flags(half=True, mean=value)
