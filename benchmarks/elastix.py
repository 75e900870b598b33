"""B-spline registration of two images by elastix, as paper 004 compares with; used by `benchmarks/dirnet.py`."""

import tempfile
from collections.abc import Callable, Sequence

import itk
import torch
from torch import Tensor

SETTINGS = {
    "Registration": ["MultiResolutionRegistration"],
    "FixedImagePyramid": ["FixedRecursiveImagePyramid"],
    "MovingImagePyramid": ["MovingRecursiveImagePyramid"],
    "ImagePyramidSchedule": ["2", "2", "1", "1"],
    "Metric": ["AdvancedNormalizedCorrelation"],
    "FinalGridSpacingInVoxels": ["16", "16"],
    "GridSpacingSchedule": ["1", "1"],  # the better one here: a wider grid in the first resolution costs 0.007 of Dice
    "MaximumNumberOfIterations": ["100"],
    "WriteResultImage": ["false"],
}
NOT_FOR_ONE_METRIC = ("Metric0Weight", "Metric1Weight", "FinalGridSpacingInPhysicalUnits")

Registration = Callable[[Tensor, Tensor, Sequence[float]], Tensor]


def elastix_registration(threads: int) -> Registration | None:
    """Set up elastix, if it is installed.

    Its optimizer is its default, adaptive stochastic gradient descent on 2048 random points, always the same ones.

    Args:
        threads: for all that ITK does.

    Returns:
        Registration of a fixed and a moving image, ``(1, 1, H, W)``, with pixels of a given size in mm, to a
        displacement ``(1, 2, H, W)``, voxels; it raises RuntimeError where elastix fails.
    """
    if not hasattr(itk, "ElastixRegistrationMethod"):
        return None
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(threads)
    settings = itk.ParameterObject.New()
    default = settings.GetDefaultParameterMap("bspline", 2)  # 2 resolutions
    settings.AddParameterMap({name: default[name] for name in default if name not in NOT_FOR_ONE_METRIC} | SETTINGS)

    def register(fixed: Tensor, moving: Tensor, spacing: Sequence[float]) -> Tensor:
        images = [itk.image_from_array(image[0, 0].numpy()) for image in (fixed, moving)]
        for image in images:
            image.SetSpacing([float(length) for length in reversed(spacing)])  # ITK's first axis is the array's last
        elastix = itk.ElastixRegistrationMethod.New(*images)
        elastix.SetParameterObject(settings)
        elastix.SetNumberOfThreads(threads)
        elastix.SetLogToConsole(False)
        elastix.UpdateLargestPossibleRegion()
        transform = elastix.GetTransformParameterObject()
        with tempfile.TemporaryDirectory() as folder:  # transformix writes the field to a file as well
            found = itk.transformix_deformation_field(
                images[1], transform, output_directory=folder, log_to_console=False
            )
        field = torch.from_numpy(itk.array_from_image(found)).flip(-1).movedim(-1, 0)[None]  # mm
        return field.float() / torch.tensor(spacing, dtype=torch.float32).view(1, 2, 1, 1)

    return register
