"""The pair of a request to MONAI Label: the scan on the screen is fixed, a labeled scan of the study moves to it."""

from collections.abc import Hashable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from monai.transforms import Transform

from common.io import InputError


class StudyPaird(Transform):
    """Name the files of a pair, from what MONAI Label hands to a model.

    A request names scans of the study, not files: what else it holds under the names of a pair is dropped.

    Args:
        moving: id of the moving scan where the request names none, in ``moving_image``.

    Adds ``fixed_image``, the file of the request's ``image``, and ``moving_image`` and ``moving_label``, those of the
    study's scan and of its final label.
    """

    def __init__(self, moving: str = "atlas") -> None:
        self.moving = moving

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Look up the files.

        Raises:
            InputError: if the study has no such scan, or no final label of it, or the request names none of its scans.
            ModuleNotFoundError: outside of MONAI Label.
        """
        image = str(data["image"])
        if not Path(image).is_absolute():  # of an unknown id, and of what is one in the folder of the server
            raise InputError("The study has no such scan: give the id of one of its scans as image.")
        study = import_module("monailabel.interfaces.utils.app").app_instance().datastore()
        moving = str(data.get("moving_image") or self.moving)
        files = {"image": study.get_image_uri(moving), "label": study.get_label_uri(moving, "final")}
        for kind, file in files.items():
            if not file:
                what = "scan" if kind == "image" else "final label of the scan"
                raise InputError(f"The study has no {what} {moving!r}: give moving_image, the id of a labeled scan.")
        kept = {key: value for key, value in data.items() if not str(key).startswith(("fixed_", "moving_"))}
        return {**kept, "fixed_image": image, **{f"moving_{kind}": file for kind, file in files.items()}}
