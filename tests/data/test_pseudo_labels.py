from pathlib import Path

import numpy as np
import pytest
import torch

from common.data import PseudoLabels


def test_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path / "new" / "labels")
    field = 30 * torch.rand(3, 4, 5, 6) - 15
    labels.write(2, 7, field, 0.123456789, "a" * 32)
    read = labels.field(2, 7)
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, field, atol=0.004, rtol=0)  # half a step of half precision below 16
    assert labels.difficulty(2, 7) == 0.123456789
    assert labels.source(2, 7) == "a" * 32


def test_field_is_mapped_into_memory(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path)
    labels.write(0, 0, torch.ones(2, 4, 4), 0.0, "x")
    record = labels._record(0, 0)
    assert isinstance(record, np.memmap)
    assert record["field"].nbytes == 2 * 4 * 4 * 2


def test_label_is_whole_or_absent(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path)
    assert labels.source(0, 0) is None
    labels.write(0, 0, torch.ones(3, 4, 4, 4), 0.0, "x")
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:-7])
    assert labels.source(0, 0) is None
    with pytest.raises(ValueError, match=r"There is no whole pseudo label .*pair=0\.npy"):
        labels.field(0, 0)
    with pytest.raises(ValueError, match=r"There is no whole pseudo label .*pair=1\.npy"):
        labels.difficulty(0, 1)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text"])
def test_damaged_labels_are_none(tmp_path: Path, content: bytes) -> None:
    labels = PseudoLabels(tmp_path)
    labels.write(0, 0, torch.ones(2, 4, 4), 0.0, "x")
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(content)
    assert labels.source(0, 0) is None
    with pytest.raises(ValueError, match=r"There is no whole pseudo label .*pair=0\.npy"):
        labels.field(0, 0)


def test_a_source_that_is_no_text_is_none(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path)
    labels.write(0, 0, torch.ones(2, 4, 4), 0.0, "source")
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes().replace(b"source\0", b"\xff\xfeurce\0"))
    assert labels.source(0, 0) is None


def test_other_arrays_are_no_labels(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path)
    (tmp_path / "stage=0").mkdir()
    np.save(tmp_path / "stage=0" / "pair=0.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"pair=0\.npy is no pseudo label"):
        labels.field(0, 0)


def test_stages_before_the_last_ones_are_forgotten(tmp_path: Path) -> None:
    labels = PseudoLabels(tmp_path)
    for stage in range(5):
        labels.write(stage, 0, torch.ones(2, 4, 4), 0.0, "x")
    (tmp_path / "stage=notes").mkdir()
    labels.forget(3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stage=2", "stage=3", "stage=4", "stage=notes"]
