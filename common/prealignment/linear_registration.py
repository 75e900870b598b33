"""ITK's linear registration of two coarse scans: Mattes mutual information, several resolutions.

ITK's classes are taken from the modules that wrap them: through the `itk` namespace the first one used loads all of
ITK's filters, 12 s instead of 2.
"""

import importlib
from typing import Any, NamedTuple

import itk
import numpy as np
import torch

HISTOGRAM_BINS = 32
SHRINK_FACTORS = (4, 2, 1)
FEWEST_VOXELS = 1000  # that shrinking may leave: fewer do not fill the joint histogram
SAMPLING = (1.0, 0.5, 0.2)  # share of the voxels the metric looks at
ITERATIONS = (100, 60, 30)
SEED = 1
RANDOM_SAMPLES = 2  # ITK's number of this sampling strategy
WORK_UNITS = 1  # several add their sums in the order in which they finish, and no two runs are the same


class Coarse(NamedTuple):
    """A scan on an isotropic grid along the world axes.

    Attributes:
        values: intensities 0 to 1, ``spatial``, float32.
        inside: where the scan counts, ``spatial``, bool.
        origin: world position of the first voxel, LPS mm.
        spacing: mm.
    """

    values: torch.Tensor
    inside: torch.Tensor
    origin: list[float]
    spacing: float


def register_linearly(
    fixed: Coarse, moving: Coarse, center: list[float], start: torch.Tensor, kind: str
) -> torch.Tensor:
    """Maximize the mutual information over rigid or affine transforms.

    Args:
        fixed: the scan that stays.
        moving: the scan that is brought onto it.
        center: center of rotation, fixed world, LPS mm.
        start: offset from fixed to moving world points, ``(d,)``, mm.
        kind: "rigid" or "affine".

    Returns:
        Matrix from fixed to moving world points, LPS mm, ``(d + 1, d + 1)``, float64.

    Reference:
        Mattes et al., "PET-CT image registration in the chest using free-form deformations", IEEE TMI 2003.
    """
    transform = _rigid(center, start)
    _descend(fixed, moving, transform, level=0)
    if kind == "affine":
        transform = _affine(center, transform)
    for level in range(len(SHRINK_FACTORS)):
        _descend(fixed, moving, transform, level)
    return matrix_of(transform, len(center))


def matrix_of(transform: Any, dims: int) -> torch.Tensor:
    """The matrix of a linear ITK transform, from where it takes the origin and the unit vectors."""
    corners = np.vstack([np.zeros(dims), np.eye(dims)])
    images = np.array([[transform.TransformPoint(p.tolist())[axis] for axis in range(dims)] for p in corners])
    matrix = np.eye(dims + 1)
    matrix[:-1, :-1] = (images[1:] - images[0]).T
    matrix[:-1, -1] = images[0]
    return torch.from_numpy(matrix)


def _wrapped(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"itk.{module}Python"), name)


def _rigid(center: list[float], offset: torch.Tensor) -> Any:
    dims = len(center)
    transform = _wrapped(f"itkEuler{dims}DTransform", f"itkEuler{dims}DTransformD").New()
    transform.SetCenter(center)
    transform.SetTranslation(offset.tolist())
    return transform


def _affine(center: list[float], start: Any) -> Any:
    transform = _wrapped("itkAffineTransform", f"itkAffineTransformD{len(center)}").New()
    transform.SetCenter(center)
    transform.SetMatrix(start.GetMatrix())
    transform.SetTranslation(start.GetTranslation())
    return transform


def _to_itk(array: torch.Tensor, scan: Coarse) -> Any:
    image = itk.image_from_array(np.ascontiguousarray(array.float().numpy().T))
    image.SetOrigin(scan.origin)
    image.SetSpacing([scan.spacing] * array.ndim)
    return image


def _mask(scan: Coarse) -> Any:
    """A spatial object, as ITK's metrics want their masks."""
    dims = scan.inside.ndim
    image = itk.image_from_array(np.ascontiguousarray(scan.inside.to(torch.uint8).numpy().T))
    image.SetOrigin(scan.origin)
    image.SetSpacing([scan.spacing] * dims)
    mask = _wrapped("itkImageMaskSpatialObject", f"itkImageMaskSpatialObject{dims}").New()
    mask.SetImage(image)
    mask.Update()
    return mask


def _descend(fixed: Coarse, moving: Coarse, transform: Any, level: int) -> None:
    """Optimize a transform in place at one resolution."""
    dims = fixed.values.ndim
    metric = _metric(fixed, moving)
    shrink_factor = _shrink_factor(fixed, level)
    method = _wrapped("itkImageRegistrationMethodv4", f"itkImageRegistrationMethodv4REGv4F{dims}F{dims}").New()
    method.SetFixedImage(_to_itk(fixed.values, fixed))
    method.SetMovingImage(_to_itk(moving.values, moving))
    method.SetInitialTransform(transform)
    method.InPlaceOn()
    method.SetMetric(metric)
    method.SetOptimizer(_optimizer(metric, fixed.spacing * shrink_factor, ITERATIONS[level], dims))
    method.SetNumberOfLevels(1)
    method.SetShrinkFactorsPerLevel([shrink_factor])
    method.SetSmoothingSigmasPerLevel([shrink_factor / 2])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(False)
    method.SetMetricSamplingStrategy(RANDOM_SAMPLES)
    method.SetMetricSamplingPercentage(SAMPLING[level])
    method.MetricSamplingReinitializeSeed(SEED)
    method.Update()


def _shrink_factor(scan: Coarse, level: int) -> int:
    largest = int((scan.values.numel() / FEWEST_VOXELS) ** (1 / scan.values.ndim))
    return max(1, min(SHRINK_FACTORS[level], largest))


def _metric(fixed: Coarse, moving: Coarse) -> Any:
    dims = fixed.values.ndim
    metric = _wrapped(
        "itkMattesMutualInformationImageToImageMetricv4",
        f"itkMattesMutualInformationImageToImageMetricv4IF{dims}IF{dims}",
    ).New()
    metric.SetNumberOfHistogramBins(HISTOGRAM_BINS)
    metric.SetMaximumNumberOfWorkUnits(WORK_UNITS)
    metric.SetUseMovingImageGradientFilter(False)
    metric.SetUseFixedImageGradientFilter(False)
    if not bool(fixed.inside.all()):
        metric.SetFixedImageMask(_mask(fixed))
    if not bool(moving.inside.all()):
        metric.SetMovingImageMask(_mask(moving))
    return metric


def _optimizer(metric: Any, step_mm: float, iterations: int, dims: int) -> Any:
    scales = _wrapped(
        "itkRegistrationParameterScalesFromPhysicalShift",
        f"itkRegistrationParameterScalesFromPhysicalShiftMMIITIMF{dims}",
    ).New()
    scales.SetMetric(metric)
    optimizer = _wrapped("itkRegularStepGradientDescentOptimizerv4", "itkRegularStepGradientDescentOptimizerv4D").New()
    optimizer.SetScalesEstimator(scales)
    optimizer.SetDoEstimateLearningRateOnce(True)  # so that the first step moves no voxel by more than step_mm
    optimizer.SetMaximumStepSizeInPhysicalUnits(step_mm)
    optimizer.SetMinimumStepLength(0.01)
    optimizer.SetNumberOfIterations(iterations)
    optimizer.SetReturnBestParametersAndValue(True)
    return optimizer
