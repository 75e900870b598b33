import pytest
import torch

from common.spatial.pieces import pieces


@pytest.mark.parametrize("axis", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pieces_are_views_of_everything_once(
    axis: int | None, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.spatial.pieces.CACHED", 20)
    first = torch.zeros(2, 3, 5, 7).contiguous(memory_format=layout)
    second = torch.arange(210.0).reshape(2, 3, 5, 7)
    parts = list(pieces(first, second, axis=axis))
    for part, other in parts:
        assert part.numel() <= 20
        assert axis is None or part.shape[axis] == first.shape[axis]
        part.add_(other + 1)
    assert torch.equal(first, second + 1)
    assert len(parts) > 210 / 20


def test_small_tensors_and_other_devices_are_one_piece() -> None:
    assert len(list(pieces(torch.zeros(4, 4)))) == 1
    assert len(list(pieces(torch.zeros(2**20, 2, device="meta")))) == 1
    assert len(list(pieces(torch.zeros(2**20), axis=0))) == 1
