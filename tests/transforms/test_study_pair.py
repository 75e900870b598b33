import sys
from types import ModuleType, SimpleNamespace

import pytest

from common.transforms import StudyPaird

MODULE = "monailabel.interfaces.utils.app"


class Study:
    """A scan without label and two with."""

    def get_image_uri(self, name: str) -> str:
        return f"/study/{name}.nii.gz" if name in ("new", "atlas", "other") else ""

    def get_label_uri(self, name: str, tag: str) -> str:
        return f"/study/labels/{tag}/{name}.nii.gz" if name in ("atlas", "other") else ""


@pytest.fixture(autouse=True)
def monai_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for MONAI Label, which is no dependency."""
    names = MODULE.split(".")
    for n in range(1, len(names) + 1):
        monkeypatch.setitem(sys.modules, ".".join(names[:n]), ModuleType(names[n - 1]))
    module = sys.modules[MODULE]
    monkeypatch.setattr(module, "app_instance", lambda: SimpleNamespace(datastore=Study), raising=False)


def test_atlas_of_the_study_moves_to_the_scan_of_the_request() -> None:
    assert StudyPaird()({"image": "/study/new.nii.gz", "device": "cpu"}) == {
        "image": "/study/new.nii.gz",
        "device": "cpu",
        "fixed_image": "/study/new.nii.gz",
        "moving_image": "/study/atlas.nii.gz",
        "moving_label": "/study/labels/final/atlas.nii.gz",
    }


def test_request_may_name_another_scan_and_no_files() -> None:
    request = {"image": "/study/new.nii.gz", "moving_image": "other", "fixed_mask": "/etc/passwd", "moving_label": "/x"}
    pair = StudyPaird()(request)
    assert pair["moving_label"] == "/study/labels/final/other.nii.gz"
    assert "fixed_mask" not in pair


@pytest.mark.parametrize(
    ("moving", "missing"),
    [("/etc/passwd", r"no scan '/etc/passwd'"), ("new", r"no final label of the scan 'new': give moving_image")],
)
def test_what_the_study_does_not_have_is_told(moving: str, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        StudyPaird()({"image": "/study/new.nii.gz", "moving_image": moving})


@pytest.mark.parametrize("image", ["", ".", "studies"])
def test_unknown_scan_is_not_the_folder_of_the_server(image: str) -> None:
    with pytest.raises(ValueError, match=r"^The study has no such scan: give the id of one"):
        StudyPaird()({"image": image})
