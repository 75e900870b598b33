import json
from pathlib import Path

import pytest

from common.data import find_cases, repeat_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(12):
            if name == "images" or number != 3:
                (tmp_path / name / f"case{number:02d}.nii.gz").touch()
    (tmp_path / "images" / ".hidden").touch()
    return tmp_path


def test_find_cases_holds_every_tenth_back(folder: Path) -> None:
    found = find_cases(folder)
    assert [Path(case["image"]).name[4:6] for case in found["validation"]] == ["00", "10"]
    assert len(found["training"]) == 10
    assert "label" not in found["training"][2]
    assert found["training"][0]["label"] == str(folder / "labels" / "case01.nii.gz")


def test_learn2reg_names_do_as_well(folder: Path) -> None:
    for name in ("images", "labels"):
        (folder / name).rename(folder / f"{name}Tr")
    assert find_cases(folder)["training"][0]["label"] == str(folder / "labelsTr" / "case01.nii.gz")


def test_cases_are_repeated_in_turn() -> None:
    cases = [{"image": "images/a.nii.gz"}, {"image": "images/b.nii.gz"}]
    assert repeat_cases(cases, 3) == [cases[0], cases[1], cases[0]]
    assert repeat_cases(cases, 1) == cases[:1]
    numbered = repeat_cases(cases, 3, numbered=True)
    assert [case["seed"] for case in numbered] == [0, 1, 2]
    assert [case["pair"] for case in numbered] == ["a_0", "b_1", "a_2"]
    assert "seed" not in cases[0]


@pytest.mark.parametrize("validation", [False, True])
def test_datalist(folder: Path, validation: bool) -> None:
    cases = [{"image": f"images/case{n:02d}.nii.gz", "label": f"labels/case{n:02d}.nii.gz"} for n in range(4)]
    content = {"training": cases[:3], "validation": cases[3:]} if validation else {"training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    found = find_cases(folder, folder / "dataset.json", every=2)
    assert len(found["training"]) == (3 if validation else 2)
    assert Path(found["validation"][0]["image"]).is_file()


def test_what_is_not_there_raises(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*images with scans: give --dataset_dir"):
        find_cases(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.json"):
        find_cases(folder, tmp_path / "none.json")


def test_one_case_is_too_few(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.nii.gz").touch()
    with pytest.raises(ValueError, match=r"Training needs two cases or more, but .* has 1"):
        find_cases(tmp_path)


@pytest.mark.parametrize(
    "parts", [["training", "validation", "evaluation"], ["validation", "evaluation"], ["evaluation"]]
)
def test_a_list_may_have_cases_for_evaluation(tmp_path: Path, parts: list[str]) -> None:
    content = {part: [{"image": f"images/{part}{n}.nii.gz"} for n in range(3)] for part in parts}
    (tmp_path / "list.json").write_text(json.dumps(content))
    found = find_cases(tmp_path, tmp_path / "list.json")
    assert list(found) == parts
    names = [Path(case["image"]).name for case in found["evaluation"]]
    assert names == [f"evaluation{n}.nii.gz" for n in range(3)]


def test_a_part_that_is_wanted_and_not_there_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"validation": [{"image": "a.nii.gz"}]}))
    found = find_cases(tmp_path, tmp_path / "list.json")
    assert len(found["validation"]) == 1
    assert found.get("evaluation") is None
    with pytest.raises(ValueError, match=r"list\.json is expected to have a list of cases named training\."):
        found["training"]


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "a list of cases named training")])
def test_unreadable_lists_raise(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ValueError, match=rf"list\.json .*{message}"):
        find_cases(tmp_path, tmp_path / "list.json")


@pytest.mark.parametrize("cases", [3, [3], {"a": 1}, "scan"])
def test_find_cases_rejects_a_list_of_anything_else(cases: object, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"training": cases}))
    with pytest.raises(
        ValueError, match=r"list\.json is expected to list the cases for training as records with image"
    ):
        find_cases(tmp_path, tmp_path / "list.json")
