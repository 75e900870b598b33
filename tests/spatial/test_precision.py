"""Nothing is computed in less than float32."""

import pytest
import torch

from common.spatial.precision import full_precision, lift, outside_inference


@pytest.mark.parametrize(
    ("dtype", "lifted"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int32, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_lift_never_loses_digits(dtype: torch.dtype, lifted: torch.dtype) -> None:
    assert lift(torch.ones(2, dtype=dtype)).dtype == lifted


def test_full_precision_keeps_autocast_out() -> None:
    matrix = torch.eye(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (matrix @ matrix).dtype == torch.bfloat16
        with full_precision(matrix):
            assert (matrix @ matrix).dtype == torch.float32


def test_autograd_can_keep_what_is_outside_inference() -> None:
    with torch.inference_mode():
        made = torch.ones(2)
        kept = outside_inference(made)
    assert made.is_inference()
    assert not kept.is_inference()
    assert outside_inference(kept) is kept
