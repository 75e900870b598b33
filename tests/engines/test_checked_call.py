from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from common.engines import checked_call


def test_result_is_that_of_the_function() -> None:
    assert checked_call(lambda: 3) == 3


def test_mistake_is_told_in_one_sentence(tmp_path: Path) -> None:
    find = {"_target_": "common.data.find_digits", "_mode_": "callable", "dataset_dir": str(tmp_path), "digit": 3}
    parser = ConfigParser({"cases": {"_target_": "common.engines.checked_call", "function": find}})
    with pytest.raises(SystemExit, match=r"^Error: There is no file .*mnist_train.npz"):
        parser.get_parsed_content("cases")
