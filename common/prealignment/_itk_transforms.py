"""Transforms in ITK's files, read by ITK without all of it.

`itk.transformread` loads every module that the wrapping names beside the reader, filters of images among them: eight
seconds of CPU and 0.6 GB. The reader, its formats and the base of the transforms alone take half a second.
"""

from functools import cache
from importlib import import_module
from typing import Any

FORMATS = ("Txt", "HDF5", "Matlab")


def read_transforms(path: str) -> list[Any]:
    """Read the transforms in a file, in its order; a composite is one.

    Args:
        path: of a .tfm, .txt, .h5 or .mat file.

    Returns:
        ITK's transforms, with what those of any kind have, see `as_transform`.

    Raises:
        RuntimeError: if it is no such file.
    """
    _register_formats()
    reader = import_module("itk.itkTransformFileReaderPython").itkTransformFileReaderTemplateD.New()
    reader.SetFileName(path)
    reader.Update()
    found, transforms = reader.GetModifiableTransformList(), []
    while not found.empty():
        transforms.append(found.pop())
    return transforms[::-1]


def as_transform(transform: Any, dims: int) -> Any:
    """A transform of `read_transforms` that has as many dimensions, as what transforms points."""
    return getattr(import_module("itk.itkTransformBasePython"), f"itkTransformD{dims}{dims}").cast(transform)


@cache
def _register_formats() -> None:
    for name in FORMATS:
        getattr(import_module(f"itk.itk{name}TransformIOPython"), f"itk{name}TransformIOFactory").RegisterOneFactory()
