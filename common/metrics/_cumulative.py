"""What the metrics with a memory share: scores of cases are collected and averaged, missing ones left out."""

import torch
from monai.metrics import CumulativeIterationMetric, do_metric_reduction
from monai.utils import MetricReduction
from torch import Tensor


class MeanMetric(CumulativeIterationMetric):
    """Collect a row of scores for every case, `(B, C)`, and reduce them over cases and columns; NaN where none is."""

    def aggregate(self, reduction: MetricReduction | str = MetricReduction.MEAN) -> Tensor:
        """Reduce what was collected since the last reset.

        Args:
            reduction: of all scores, NaN left out; `"mean_batch"` keeps one number a column.

        Raises:
            ValueError: if nothing was collected.
        """
        scores = self.get_buffer()
        if not isinstance(scores, Tensor):
            raise ValueError(f"{type(self).__name__}.aggregate() expects at least one case before it, got none.")
        reduced, counted = do_metric_reduction(scores, reduction)
        return reduced.masked_fill(counted == 0, torch.nan)  # MONAI's is 0 where there is no score
