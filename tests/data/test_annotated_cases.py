import json
from pathlib import Path
from typing import Any

import pytest

from common.data import find_annotated_cases


def write(folder: Path, **tables: Any) -> Path:
    cohorts = ["liver", "liver", "kidney", "all", "colon"]
    cases = [{"image": f"{n}.nii.gz", "label": f"{n}_label.nii.gz", "cohort": c} for n, c in enumerate(cohorts)]
    path = folder / "dataset.json"
    path.write_text(json.dumps({"training": cases[1:], "validation": cases[:1], **tables}))
    return path


ANNOTATED = {"liver": [6], "kidney": [2, 3], "all": [1, 2], "colon": []}


def test_find_annotated_cases_looks_up_the_cohort(tmp_path: Path) -> None:
    (tmp_path / "liver").mkdir()  # MONAI takes the cohort for this folder
    found = find_annotated_cases(tmp_path, write(tmp_path, annotated=ANNOTATED, label_map={"liver": {"2": 6}}))
    assert [case["cohort"] for case in found["training"]] == ["liver", "kidney", "all"]  # the colon has no organ
    assert found["validation"] == [
        {"image": str(tmp_path / "0.nii.gz"), "label": str(tmp_path / "0_label.nii.gz"), "cohort": "liver",
         "annotated": [6], "label_map": {"2": 6}}]  # fmt: skip
    assert [case["annotated"] for case in found["training"]] == [[6], [2, 3], [1, 2]]
    assert [("label_map" in case) for case in found["training"]] == [True, False, False]


def test_case_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    cases = [{"image": f"{n}", "label": f"{n}", "cohort": "rare", "annotated": [n + 1]} for n in range(2)]
    path.write_text(json.dumps({"training": cases, "validation": cases, "annotated": ANNOTATED}))
    assert [case["annotated"] for case in find_annotated_cases(tmp_path, path)["training"]] == [[1], [2]]


def test_folder_without_a_datalist_annotates_everything(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(4):
            if name == "images" or number != 2:
                (tmp_path / name / f"{number}.nii.gz").touch()
    found = find_annotated_cases(tmp_path, every=3)
    assert [Path(case["label"]).name for case in found["training"]] == ["1.nii.gz"]
    assert all("annotated" not in case for case in found["training"])


def test_unknown_cohort_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"does not say what kidney annotates: 'annotated' has liver\."):
        find_annotated_cases(tmp_path, write(tmp_path, annotated={"liver": [6]}))


def test_no_labels_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No case for validation has labels: .*dataset\.json has 1 without"):
        find_annotated_cases(tmp_path, write(tmp_path, annotated=ANNOTATED | {"liver": []}))


def test_find_annotated_cases_rejects_a_damaged_table(tmp_path: Path) -> None:
    content = {"training": [{"image": "a", "label": "b"}] * 2, "annotated": ["no table"]}
    (tmp_path / "list.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"list\.json is expected to have a table by cohort named annotated, got"):
        find_annotated_cases(tmp_path, tmp_path / "list.json")
