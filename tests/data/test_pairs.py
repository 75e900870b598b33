"""Lists of pairs, however they are given."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.data import both_directions, read_pairs

ROWS = [
    {"fixed_image": "a/one.nii.gz", "moving_image": "b/two.nii.gz", "fixed_label": "a/label.nii.gz"},
    {"fixed_image": "a/one.nii.gz", "moving_image": "/c/three.mha"},
]


def write_csv(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_json(folder: Path, content: Any) -> Path:
    path = folder / "pairs.json"
    path.write_text(json.dumps(content))
    return path


def expected(folder: Path) -> list[dict[str, str]]:
    """Relative paths start at the list, absolute ones stay."""
    return [
        {
            "fixed_image": str(folder / "a/one.nii.gz"),
            "moving_image": str(folder / "b/two.nii.gz"),
            "fixed_label": str(folder / "a/label.nii.gz"),
            "pair": "1_one_two",
        },
        {"fixed_image": str(folder / "a/one.nii.gz"), "moving_image": "/c/three.mha", "pair": "2_one_three"},
    ]


def test_read_pairs_of_the_command_line() -> None:
    pairs = read_pairs(fixed_image="a.nii", moving_image=Path("b.nii"), fixed_label=None, moving_label="c.nii")
    assert pairs == [{"fixed_image": "a.nii", "moving_image": "b.nii", "moving_label": "c.nii"}]


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_read_pairs_of_a_csv(start: str, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path,
        start + "fixed_image,moving_image, fixed_label",
        "a/one.nii.gz, b/two.nii.gz, a/label.nii.gz",
        "a/one.nii.gz,/c/three.mha,",
    )
    assert read_pairs(path) == read_pairs(str(path)) == expected(tmp_path)


def test_read_pairs_of_a_json_list(tmp_path: Path) -> None:
    assert read_pairs(write_json(tmp_path, ROWS)) == expected(tmp_path)


def test_read_pairs_of_a_json_list_with_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text('[{"fixed_image": "Schädel.nii", "moving_image": "b.nii"}]', encoding="utf-8")
    assert read_pairs(path)[0]["fixed_image"] == str(tmp_path / "Schädel.nii")


def test_read_pairs_of_records_leaves_paths_as_they_are() -> None:
    pairs = read_pairs([*ROWS, {**ROWS[0], "moving_mask": None, "anything": 1}])
    assert [pair["pair"] for pair in pairs] == ["1_one_two", "2_one_three", "3_one_two"]
    assert pairs[2] == {**ROWS[0], "pair": "3_one_two"}


def test_read_pairs_takes_phases_as_numbers(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path, "fixed_image,moving_image,fixed_phase,moving_phase", "a.nii,a.nii,0,7.0", "a.nii,b.nii,,19"
    )
    one, two = read_pairs(path)
    assert (one["fixed_phase"], one["moving_phase"]) == (0, 7)
    assert isinstance(one["moving_phase"], int)
    assert "fixed_phase" not in two
    assert two["moving_phase"] == 19
    assert [pair["pair"] for pair in (one, two)] == ["1_a_phase0_a_phase7", "2_a_b_phase19"]
    records: list[dict[str, Any]] = [
        {"fixed_image": "a.nii", "moving_image": "a.nii", "fixed_phase": 0, "moving_phase": 7}
    ]
    assert read_pairs(write_json(tmp_path, records))[0] == one
    assert read_pairs(records) == [{**records[0], "pair": one["pair"]}]
    assert read_pairs(**records[0]) == records


@pytest.mark.parametrize("phase", ["end", "1.5", -1, True, "nan", "inf", [1]])
def test_read_pairs_rejects_a_phase_that_is_no_number(phase: Any, tmp_path: Path) -> None:
    record = {"fixed_image": "a.nii", "moving_image": "a.nii", "moving_phase": phase}
    message = "moving_phase is expected to be a whole number from 0, but {} gives "
    with pytest.raises(ValueError, match=message.format("the command line")):
        read_pairs(**record)
    with pytest.raises(ValueError, match=message.format(r".*pairs\.json")):
        read_pairs(write_json(tmp_path, [record]))


def test_read_pairs_names_are_unique_and_sort_like_the_list() -> None:
    names = [pair["pair"] for pair in read_pairs([ROWS[0]] * 11)]
    assert names[0] == "01_one_two"
    assert sorted(set(names)) == names


def test_read_pairs_ignores_names_given_in_the_list(tmp_path: Path) -> None:
    """Names become folders; a name from outside might lead out of the output folder."""
    path = write_json(tmp_path, [{**ROWS[0], "pair": "../../etc"}])
    assert read_pairs(path)[0]["pair"] == "1_one_two"


IMAGES = [{"fixed": "./imagesTr/one.nii.gz", "moving": "./imagesTr/two.nii.gz"}]


@pytest.mark.parametrize("part", ["registration_val", "registration_test", "training_paired_images"])
def test_read_pairs_of_learn2reg(part: str, tmp_path: Path) -> None:
    for name in ("labelsTr/one.nii.gz", "masksTr/two.nii.gz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    pairs = read_pairs(write_json(tmp_path, {"name": "Task", part: IMAGES}))
    assert pairs == [
        {
            "fixed_image": str(tmp_path / "imagesTr/one.nii.gz"),
            "moving_image": str(tmp_path / "imagesTr/two.nii.gz"),
            "fixed_label": str(tmp_path / "labelsTr/one.nii.gz"),
            "moving_mask": str(tmp_path / "masksTr/two.nii.gz"),
            "pair": "1_one_two",
        }
    ]


def test_read_pairs_of_learn2reg_prefers_validation(tmp_path: Path) -> None:
    training = [{"fixed": "imagesTr/three.nii.gz", "moving": "imagesTr/four.nii.gz"}]
    content = {"training_paired_images": training, "registration_val": IMAGES}
    assert read_pairs(write_json(tmp_path, content))[0]["pair"] == "1_one_two"


def test_read_pairs_of_learn2reg_beside_its_images(tmp_path: Path) -> None:
    (tmp_path / "one.nii.gz").touch()
    content = {"registration_val": [{"fixed": "one.nii.gz", "moving": "one.nii.gz"}]}
    assert set(read_pairs(write_json(tmp_path, content))[0]) == {"fixed_image", "moving_image", "pair"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "A pair needs fixed_image and moving_image, but the command line gives no fixed_image and no moving_imag"),
        ({"fixed_image": "a"}, "the command line gives no moving_image"),
        ({"fixed_label": "a", "moving_image": "b"}, "the command line gives no fixed_image"),
        ({"datalist": [{"fixed_image": "a"}]}, "datalist gives no moving_image"),
        ({"datalist": "x", "fixed_image": "a", "moving_label": "b"}, "got datalist and fixed_image, moving_label"),
    ],
)
def test_read_pairs_rejects_half_a_pair_and_both_ways(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pairs(**given)


def test_read_pairs_rejects_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.csv"):
        read_pairs(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["fixed_image,moving_image,fixed_lable", "a,b,c"], "has the unknown column fixed_lable: known are fixed_im"),
        (["fixed_image,fixed_label", "a,b"], r"pairs\.csv gives no moving_image"),
        (["fixed_image,moving_image", "a,"], r"pairs\.csv gives no moving_image"),
        (["fixed_image,moving_image"], r"pairs\.csv lists no pairs"),
        ([], r"pairs\.csv lists no pairs"),
    ],
)
def test_read_pairs_rejects_a_wrong_csv(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_pairs(write_csv(tmp_path, *lines))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"pairs\.json lists no pairs"),
        ([{"fixed_image": "a"}], r"pairs\.json gives no moving_image"),
        ([{**ROWS[0], "moving_lable": "b"}], "has the unknown column moving_lable"),
        (["a", "b"], "is expected to hold a list of records with the keys fixed_image, moving_image"),
        ("a", "is expected to hold a list of records"),
        ({"name": "Task", "numTraining": 3}, "is no dataset JSON of Learn2Reg with paired images: it has name, numTr"),
        ({"registration_val": [{"fixed": "a"}]}, "to name a fixed and a moving image in each registration_val"),
        ({"registration_val": ["a"]}, "to name a fixed and a moving image in each registration_val"),
    ],
)
def test_read_pairs_rejects_a_wrong_json(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_pairs(write_json(tmp_path, content))


@pytest.mark.parametrize(("name", "message"), [("a.json", "is not JSON"), ("a.csv", "is not a text file")])
def test_read_pairs_rejects_what_is_no_text(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / name)


def test_read_pairs_rejects_broken_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[{")
    with pytest.raises(ValueError, match=r"a\.json is not JSON: Expecting property name"):
        read_pairs(tmp_path / "a.json")


def test_read_pairs_takes_clouds_without_images(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("fixed_cloud,moving_cloud\na.csv,b.csv\n")
    assert read_pairs(path) == [
        {"fixed_cloud": str(tmp_path / "a.csv"), "moving_cloud": str(tmp_path / "b.csv"), "pair": "1_a_b"}
    ]
    with pytest.raises(ValueError, match=r"A pair needs fixed_cloud and moving_cloud, but .* gives no fixed_cloud"):
        read_pairs(moving_cloud="b.csv")
    with pytest.raises(ValueError, match=r"A pair needs fixed_image and moving_image, but .* gives no moving_image"):
        read_pairs(fixed_cloud="a.csv", moving_cloud="b.csv", fixed_image="a.nii.gz")


REVERSE = {"pair": "reverse", "reverse_of": "forward"}


def test_both_directions_exchange_everything() -> None:
    pairs = [{"fixed_image": "f.nii", "moving_image": "m.nii", "moving_label": "l.nii"}]
    forward, reverse = both_directions(pairs)
    assert forward == {**pairs[0], "pair": "forward"}
    assert reverse == {"fixed_image": "m.nii", "moving_image": "f.nii", "fixed_label": "l.nii"} | REVERSE
    listed = both_directions([{**pairs[0], "pair": "1_f_m"}])
    assert [pair["pair"] for pair in listed] == ["1_f_m", "1_f_m_reverse"]
    assert listed[1]["reverse_of"] == "1_f_m"


def test_both_directions_exchange_phases() -> None:
    pair = {"fixed_image": "a.nii", "moving_image": "a.nii", "fixed_phase": 0, "moving_phase": 7}
    assert both_directions([pair])[1] == {**pair, "fixed_phase": 7, "moving_phase": 0} | REVERSE
