"""Pair after pair: a bad one does not stop the others, a complete one is not done again."""

import csv
import json
import logging
import os
import subprocess
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import Transform

from common.data import both_directions
from common.engines import (
    TestTimeAugmentationInferer,
    instance_optimization,
    register_pairs,
    registration_postprocessing,
    sentence,
)
from common.engines._configuration import configuration_digest
from common.io import Field, InputError, write_field
from common.networks.nets import CoupledConvexNet
from common.reports import read_record
from common.spatial import Grid

METRICS = {
    "dice": {"before": 0.5, "after": 0.75, "per_label": {}},
    "similarity": {"before": 1.1, "after": None, "name": "nmi"},
    "folding_percent": 0.0,
    "sdlogj": 0.125,
    "seconds": {"total": 2.5, "load": 2.5},
}


PROVENANCE = {"bundle": "a_b_c", "version": "0.1.0", "weights": None, "device": "cpu", "settings": {"spacing": None}}


class Load(Transform):
    """Makes an image; a path that says so cannot be read."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if data["fixed_image"] == "bad":
            raise InputError("bad.nii is constant.")
        return {**data, "image": torch.ones(2, 3, 4, 5)}


class Save(Transform):
    """Writes what the registration of a pair leaves behind."""

    def __init__(self, output_dir: Path) -> None:
        self.output_dir = output_dir
        self.saved: list[str] = []

    @staticmethod
    def metrics(data: Mapping[Hashable, Any]) -> dict[str, Any]:
        return json.loads(data["made_of"])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if data["fixed_image"] == "unwritable":
            raise OSError("metrics.json cannot be written: No space left on device.")
        assert data["pred"].shape == (3, 3, 4, 5)
        folder = self.output_dir / data.get("pair", "")
        folder.mkdir(parents=True, exist_ok=True)
        step = torch.full((1, 3, 3, 4, 5), -1.5 if "reverse_of" in data else 2.0)
        write_field(folder / "displacement_field.nii.gz", Field(step, Grid((3, 4, 5), torch.eye(4).double())))
        (folder / "metrics.json").write_text(json.dumps({**METRICS, **PROVENANCE, "files": [], **self.metrics(data)}))
        self.saved.append(data["fixed_image"])
        return dict(data)


class Network(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if not torch.is_inference(image) and torch.is_grad_enabled():
            raise AssertionError("the evaluator is to run without gradients")
        return image[:, :1].expand(-1, 3, -1, -1, -1)


def register(output_dir: Path, *names: str, single: bool = False, **provenance: Any) -> list[str]:
    """Register pairs of these names; returns those that were saved."""
    records = [{"fixed_image": name} | ({} if single else {"pair": f"{n}_{name}"}) for n, name in enumerate(names, 1)]
    return register_records(output_dir, records, **provenance)


def register_both(output_dir: Path) -> list[str]:
    """Register three pairs both ways round; one of the second and one of the third are bad."""
    names = {"1": ("a", "b"), "2": ("bad", "c"), "3": ("d", "bad")}
    pairs = [{"pair": name, "fixed_image": fixed, "moving_image": moving} for name, (fixed, moving) in names.items()]
    return register_records(output_dir, both_directions(pairs))


def register_records(
    output_dir: Path, records: list[dict[str, Any]], iterations: int = 0, **provenance: Any
) -> list[str]:
    save = Save(output_dir)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"), val_data_loader=[], network=Network(), postprocessing=save, epoch_length=1
    )
    after = registration_postprocessing(output_dir, instance_optimization(iterations))
    evaluator.postprocessing = after  # type: ignore[attr-defined]
    register_pairs(evaluator, Dataset(records, Load()), output_dir, {**PROVENANCE, **provenance})
    return save.saved


def summary(output_dir: Path) -> list[dict[str, str]]:
    with (output_dir / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_register_pairs_does_every_pair(tmp_path: Path) -> None:
    assert register(tmp_path, "a", "b", "c") == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1_a", "2_b", "3_c", "summary.csv"]


def test_register_pairs_sums_up(tmp_path: Path) -> None:
    register(tmp_path, "a", "b")
    rows = summary(tmp_path)
    assert [row["pair"] for row in rows] == ["1_a", "2_b"]
    assert float(rows[0]["dice_before"]) == 0.5
    assert float(rows[0]["dice_after"]) == 0.75
    assert float(rows[0]["sdlogj"]) == 0.125
    assert float(rows[0]["folding_percent"]) == 0
    assert rows[0]["folding_inside_percent"] == ""
    assert float(rows[0]["seconds"]) == 2.5
    assert rows[0]["similarity_after"] == rows[0]["tre_mm_after"] == rows[0]["error"] == ""


@pytest.mark.parametrize(
    ("bad", "message"),
    [("bad", "bad.nii is constant."), ("unwritable", "metrics.json cannot be written: No space left on device.")],
)
def test_register_pairs_goes_on_after_a_bad_pair(bad: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^1 of 3 pairs failed: 2_{bad}\.$"):
        register(tmp_path, "a", bad, "c")
    rows = summary(tmp_path)
    assert [row["error"] for row in rows] == ["", message, ""]
    assert [row["dice_after"] for row in rows] == [rows[0]["dice_after"], "", rows[0]["dice_after"]]
    assert (tmp_path / "3_c" / "metrics.json").is_file()


def test_register_pairs_does_a_first_bad_pair_and_counts_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^2 of 3 pairs failed: 1_bad, 3_bad\.$"):
        register(tmp_path, "bad", "b", "bad")
    assert (tmp_path / "2_b" / "metrics.json").is_file()


def test_register_pairs_tells_of_a_bad_pair_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="common"), pytest.raises(InputError, match="1 of 2 pairs failed"):
        register(tmp_path, "bad", "b")
    messages = [record.getMessage() for record in caplog.records if record.name == "common"]
    assert messages[:3] == ["[1/2] 1_bad", "  failed: bad.nii is constant.", "[2/2] 2_b"]
    assert messages[3:] == [
        "Mean of 1 pairs",
        "  Dice            0.500 -> 0.750",
        "  folding (%)     0.000",
        f"Results and pictures: {tmp_path}; each pair: {tmp_path / 'summary.csv'}",
    ]


def test_register_pairs_skips_what_is_complete(tmp_path: Path) -> None:
    register(tmp_path, "a", "b")
    (tmp_path / "2_b" / "metrics.json").unlink()
    assert register(tmp_path, "a", "b", "c") == ["b", "c"]
    assert [row["pair"] for row in summary(tmp_path)] == ["1_a", "2_b", "3_c"]
    assert summary(tmp_path)[0]["dice_after"] != ""


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"settings": {"spacing": [9, 9]}}, "settings differ: spacing"),
        ({"settings": {}}, "settings differ: spacing"),
        ({"bundle": "d_e_f"}, "another bundle"),
        ({"version": "0.2.0", "weights": {"file": "a.pt", "sha256": "1"}}, "another version; another weights"),
    ],
)
def test_register_pairs_does_again_what_was_made_otherwise(
    changed: dict[str, Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, "a", "b")
    with caplog.at_level(logging.INFO, logger="common"):
        assert register(tmp_path, "a", "b", **changed) == ["a", "b"]
    assert f"[2/2] 2_b is done again: {why}" in caplog.messages


def test_register_pairs_does_again_what_another_network_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A setting deep inside, which no list of settings names."""
    register(tmp_path, "a", "b")

    def make_deeper(network: Any) -> None:
        torch.nn.Module.__init__(network)
        network.depth = 3

    monkeypatch.setattr(Network, "__init__", make_deeper)
    with caplog.at_level(logging.INFO, logger="common"):
        assert register(tmp_path, "a", "b") == ["a", "b"]
        assert register(tmp_path, "a", "b") == []
    assert "[1/2] 1_a is done again: another configuration" in caplog.messages


def test_configuration_digest_sees_settings_and_no_state() -> None:
    nets = [CoupledConvexNet(), CoupledConvexNet().eval(), CoupledConvexNet(refinements=[(2, 5)])]
    digests = [configuration_digest(net, TestTimeAugmentationInferer()) for net in nets]
    assert digests[0] == digests[1] != digests[2]
    assert configuration_digest(nets[0], TestTimeAugmentationInferer(samples=2)) != digests[0]


def test_register_pairs_does_again_what_was_optimized_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever the results lie."""
    register(tmp_path / "here", "a", "b", iterations=2)
    (tmp_path / "here").rename(tmp_path / "there")
    with caplog.at_level(logging.INFO, logger="common"):
        assert register(tmp_path / "there", "a", "b", iterations=2) == []
        assert register(tmp_path / "there", "a", "b", iterations=3) == ["a", "b"]
    assert "[1/2] 1_a is done again: another configuration" in caplog.messages


def test_register_pairs_does_not_care_for_the_device(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    register(tmp_path, "a", "b")
    with caplog.at_level(logging.INFO, logger="common"):
        assert register(tmp_path, "a", "b", device=torch.device("cuda")) == []
    assert "[1/2] 1_a is complete: same inputs and settings" in caplog.messages


def test_register_pairs_does_another_pair_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same size and time, other content; and the same content at another time."""
    monkeypatch.chdir(tmp_path)
    for content, done in (("one", ["a"]), ("two", ["a"]), ("two", [])):
        Path("a").write_text(content)
        os.utime("a", (1, 1) if content == "one" else (1, len(done)))
        with caplog.at_level(logging.INFO, logger="common"):
            assert register(tmp_path / "out", "a", "b")[: len(done)] == done
    assert "[1/2] 1_a is done again: inputs differ: fixed_image" in caplog.messages
    of_pairs = [message for message in caplog.messages if message.startswith("[")]
    assert of_pairs[-2] == "[1/2] 1_a is complete: same inputs and settings"


@pytest.mark.parametrize("damage", ["", "{", "[]", "\0", '{"dice": 3}', '{"seconds": {}}', "\udcff", "[" * 100_000])
def test_register_pairs_does_a_damaged_result_again(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, "a", "b")
    (tmp_path / "1_a" / "metrics.json").write_bytes(damage.encode(errors="surrogateescape"))
    (tmp_path / "summary.csv").write_bytes(b"\0\xff")
    with caplog.at_level(logging.INFO, logger="common"):
        assert register(tmp_path, "a", "b") == ["a"]
    assert "[1/2] 1_a is done again: its metrics.json is damaged" in caplog.messages
    assert len(summary(tmp_path)) == 2


def test_register_pairs_says_before_the_work_that_a_folder_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "1_a" / "report.png").mkdir(parents=True)
    with pytest.raises(InputError, match="1 of 2 pairs failed: 1_a"):
        register(tmp_path, "a", "b")
    assert summary(tmp_path)[0]["error"].endswith("report.png cannot be written: it is a folder.")


@pytest.mark.parametrize(
    ("dice", "distance", "line"),
    [
        ({}, {}, "  No label is in both scans: neither Dice nor HD95 can be measured."),
        ({"1": 0.5, "2": 0.0}, {"1": 3.0, "2": None}, "  Nothing is left of label 2 once it is warped onto the fixed "),
    ],
)
def test_register_pairs_says_what_cannot_be_measured(
    dice: dict, distance: dict, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    tables = {
        name: {
            "before": None,
            "after": None,
            "per_label": {key: {"before": 1, "after": n} for key, n in values.items()},
        }
        for name, values in (("dice", dice), ("hd95_mm", distance))
    }
    monkeypatch.setattr(Save, "metrics", lambda _, data: tables)
    with caplog.at_level(logging.INFO, logger="common"):
        register(tmp_path, "a", single=True)
    assert caplog.messages[-2].startswith(line)
    assert "  Dice                - -> -" in caplog.messages


def test_register_pairs_takes_up_a_failed_pair_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="1 of 2 pairs failed"):
        register(tmp_path, "a", "bad")
    with caplog.at_level(logging.INFO, logger="common"), pytest.raises(InputError, match="1 of 2 pairs failed"):
        register(tmp_path, "a", "bad")
    assert "1_a is complete" in caplog.text
    assert "failed: bad.nii is constant." in caplog.text


def test_register_pairs_of_a_single_pair_needs_no_folder(tmp_path: Path) -> None:
    assert register(tmp_path, "a", single=True) == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["displacement_field.nii.gz", "metrics.json"]


def test_register_pairs_of_a_single_pair_is_done_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert register(tmp_path, "a", single=True) == ["a"]


@pytest.mark.parametrize(("bad", "message"), [("bad", "bad.nii is constant"), ("unwritable", "metrics.json cannot be")])
def test_register_pairs_of_a_single_bad_pair_says_its_sentence(bad: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, OSError), match=r"applying transform|cannot be written") as error:
        register(tmp_path, bad, single=True)
    assert sentence(error.value).startswith(message)


def test_register_pairs_rejects_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").mkdir()
    with pytest.raises(OSError, match=r".*summary\.csv cannot be written"):
        register(tmp_path, "a", "b")


def check_both(output_dir: Path) -> None:
    rows = {row["pair"]: row["inverse_median_mm"] for row in summary(output_dir)}
    assert list(rows) == ["1", "1_reverse", "2", "2_reverse", "3", "3_reverse"]
    there_and_back = 0.5 * 3**0.5  # LPS mm
    assert [float(rows.pop(name)) for name in ("1", "1_reverse")] == pytest.approx([there_and_back] * 2)
    assert set(rows.values()) == {""}


def test_pairs_both_ways_are_compared_where_both_are_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for saved in (["a", "b", "c", "d"], []):  # what is complete stays as it is
        with caplog.at_level(logging.INFO, logger="common"), pytest.raises(InputError, match="2 of 6 pairs failed"):
            assert register_both(tmp_path) == saved
        check_both(tmp_path)
    assert caplog.messages.count("  inverse (mm)    0.866") == 2


def test_a_comparison_that_fails_is_told_and_the_rest_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError):
        register_both(tmp_path)
    (tmp_path / "1" / "metrics.json").write_text(
        json.dumps(read_record(tmp_path / "1") | {"inverse_consistency": None})
    )
    (tmp_path / "1_reverse" / "displacement_field.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="2 of 6 pairs failed"):
        register_both(tmp_path)
    assert "The inverse consistency of 1 is not measured: " in caplog.text
    assert len(summary(tmp_path)) == 6


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_registration import register, register_both
print("saved", *{call}(Path({output!r}), {names}))
"""


def register_by_two(output: Path, call: str, *names: str) -> subprocess.CompletedProcess:
    script = output.with_suffix(".py")
    listed = ", ".join(map(repr, names))
    script.write_text(PROCESS.format(folder=str(Path(__file__).parent), output=str(output), call=call, names=listed))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_register_pairs_shares_a_list_among_processes(tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = register_by_two(output, "register", "a", "b", "bad", "c", "d")
    assert done.returncode != 0
    assert done.stderr.count("Error: 1 of 5 pairs failed: 3_bad.") == 2
    rows = summary(output)
    assert [row["pair"] for row in rows] == ["1_a", "2_b", "3_bad", "4_c", "5_d"]
    assert [row["error"] for row in rows] == ["", "", "bad.nii is constant.", "", ""]


def test_processes_wait_for_the_comparison_of_pairs_both_ways(tmp_path: Path) -> None:
    done = register_by_two(tmp_path / "out", "register_both")
    assert done.stderr.count("Error: 2 of 6 pairs failed: 2, 3_reverse.") == 2
    check_both(tmp_path / "out")


def test_register_pairs_leaves_a_single_pair_to_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert register(tmp_path, "a", single=True) == []
