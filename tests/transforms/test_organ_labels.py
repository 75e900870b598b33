import pytest
import torch
from monai.data import MetaTensor

from common.transforms import OrganLabelsd, map_labels


def label_map_of(values: list[int], direction: float = 1.0) -> MetaTensor:
    """Along the first axis, which runs to the patient's right or left."""
    affine = torch.diag(torch.tensor([2 * direction, 3.0, 4.0, 1.0])).double()
    return MetaTensor(torch.tensor(values, dtype=torch.int32).reshape(1, -1, 1, 1), affine=affine)


def test_map_labels_by_hand() -> None:
    mapped = map_labels(label_map_of([0, 1, 2, 3, 4]), {"1": 6, 2: 6, 3: 1})
    assert mapped.flatten().tolist() == [0, 6, 6, 1, 0]
    assert mapped.dtype == torch.int32
    assert mapped.affine[0, 0] == 2


@pytest.mark.parametrize(("direction", "expected"), [(1, [3, 3, 0, 0, 2, 2]), (-1, [2, 2, 0, 0, 3, 3])])
def test_map_labels_tells_right_from_left(direction: float, expected: list[int]) -> None:
    """A tumor, 2, belongs to the kidney on its side."""
    mapped = map_labels(label_map_of([1, 1, 0, 0, 2, 1], direction), {"1": [2, 3], "2": [2, 3]})
    assert mapped.flatten().tolist() == expected


def test_absent_pair_stays_absent() -> None:
    assert map_labels(label_map_of([0, 5]), {"1": [2, 3]}).sum() == 0


def test_map_labels_rejects_three() -> None:
    with pytest.raises(ValueError, match=r"'label_map' of an organ or \[right, left\], got \[1, 2, 3\]"):
        map_labels(label_map_of([0, 1]), {"1": [1, 2, 3]})


def test_organ_labels_flags_what_is_annotated() -> None:
    data = {"image": 0, "label": label_map_of([0, 1, 2]), "annotated": [3], "label_map": {"2": 3}, "cohort": "liver"}
    done = OrganLabelsd(3)(data)
    assert done.keys() == {"image", "label", "annotated"}
    assert done["label"].flatten().tolist() == [0, 0, 3]
    assert done["annotated"].tolist() == [0, 0, 1]


def test_organ_labels_of_a_whole_case_leaves_out_further_organs() -> None:
    done = OrganLabelsd(2)({"label": label_map_of([0, 1, 2, 13])})
    assert done["label"].flatten().tolist() == [0, 1, 2, 0]
    assert isinstance(done["label"], MetaTensor)
    assert done["annotated"].tolist() == [1, 1]


@pytest.mark.parametrize("organ", [0, 3])
def test_unknown_organ_raises(organ: int) -> None:
    with pytest.raises(ValueError, match=rf"'annotated' from 1 to 2, got \[{organ}\]"):
        OrganLabelsd(2)({"label": label_map_of([0, 1]), "annotated": [organ]})
