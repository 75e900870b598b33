from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from common.engines import checked_call


def test_result_is_that_of_the_function() -> None:
    assert checked_call(lambda: 3) == 3


@pytest.mark.parametrize(
    ("function", "options", "sentence"),
    [
        ("find_cases", {}, r"^Error: There is no folder .*images with scans: give --dataset_dir\.$"),
        ("find_digits", {"digit": 3}, r"^Error: There is no file .*mnist_train\.npz"),
    ],
)
def test_mistake_is_told_in_one_sentence(function: str, options: dict, sentence: str, tmp_path: Path) -> None:
    find = {"_target_": f"common.data.{function}", "_mode_": "callable", "dataset_dir": str(tmp_path), **options}
    parser = ConfigParser({"cases": {"_target_": "common.engines.checked_call", "function": find}})
    with pytest.raises(SystemExit, match=sentence):
        parser.get_parsed_content("cases")
