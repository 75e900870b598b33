"""One way onto the grid of a network, for single cases and for pairs, whatever surrounds the patient."""

import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.transforms import ResizeWithPadOrCrop, ScaleIntensityRange

from common.io import grid_of
from common.prealignment import initial_transform
from common.spatial import center_of, voxel_to_world
from common.transforms import (
    CaseGrid,
    CaseGridd,
    InitialTransformd,
    NormalizeForeground,
    NormalizePercentiles,
    PairGridd,
)
from common.transforms.content import content_of
from common.transforms.working_grid import resize_grid

AFFINE = torch.tensor([[-1.0, 0, 0, 10], [0, 0, 1.5, -20], [0, 2, 0, 30], [0, 0, 0, 1]]).double()
VALUES = F.avg_pool3d(torch.rand(1, 1, 22, 20, 24), 3, 1)[0] * 200 + 50
LABELS = (VALUES > 150).int()
PADDING = (3, 1, 0, 5, 4, 6)


def placed(values: torch.Tensor, padding: tuple[int, ...] = (0,) * 6, fill: float = 0.0) -> MetaTensor:
    """Values at one place in the world, with padding around them."""
    affine = AFFINE.clone()
    affine[:3, 3] = voxel_to_world(-torch.tensor([padding[4], padding[2], padding[0]]).double(), AFFINE)
    return MetaTensor(F.pad(values, padding, value=fill), affine=affine)


@pytest.mark.parametrize("fill", [0.0, -1024.0, -2000.0, -3024.0, 9999.0])
@pytest.mark.parametrize("grid", [CaseGrid(2.0, (12, 16, 20), fill=0.0), CaseGrid(1.2)])
def test_what_surrounds_a_scan_does_not_matter(grid: CaseGrid, fill: float) -> None:
    grid.normalization = NormalizePercentiles()
    bring = CaseGridd("image", grid, label_keys="label")
    plain = bring({"image": placed(VALUES), "label": placed(LABELS)})
    padded = bring({"image": placed(VALUES, PADDING, fill), "label": placed(LABELS, PADDING)})
    for key in ("image", "label"):
        torch.testing.assert_close(padded[key].as_tensor(), plain[key].as_tensor())
        torch.testing.assert_close(padded[key].affine, plain[key].affine)


@pytest.mark.parametrize("size", [(12, 16, 20), (30, 31, 40)])
def test_training_and_inference_see_the_same(size: tuple[int, ...]) -> None:
    """Two cases on grids of their own are a pair that was brought together by its centers."""
    other = MetaTensor(VALUES[:, 2:, :-3].flip(3), affine=torch.diag(torch.tensor([1.2, 1.5, 2, 1])).double())
    scans = {"fixed_image": placed(VALUES), "moving_image": other}
    grid = CaseGrid(1.5, size, fill=0.0, normalization=NormalizeForeground())
    cases = [CaseGridd("image", grid)({"image": scan})["image"] for scan in scans.values()]
    fixed, moving = (content_of(scan) for scan in scans.values())
    start = initial_transform(fixed.image, fixed.grid.affine, moving.image, moving.grid.affine, "center").matrix
    pair = PairGridd(("fixed_image", "moving_image"), grid)({**scans, "initial_transform": start})["image"]
    torch.testing.assert_close(pair.as_tensor(), torch.cat([case.as_tensor() for case in cases]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("stretch", [False, True])
def test_each_scan_of_a_pair_lies_on_its_grid_as_in_training(stretch: bool) -> None:
    """With the start "region", whatever the regions are: here the box of a mask."""
    tilt = torch.diag(torch.tensor([-1.2, 1.5, 2, 1])).double()
    tilt[0, 1], tilt[:3, 3] = 0.2, torch.tensor([50.0, 40, -30])
    masks = {"fixed_mask": placed(LABELS), "moving_mask": MetaTensor(LABELS.roll(3, 1)[:, :, 4:-5], affine=tilt)}
    scans = {"fixed_image": placed(VALUES), "moving_image": MetaTensor(VALUES[:, :, 4:-5], affine=tilt)}
    grid = CaseGrid(None if stretch else 1.5, (12, 16, 20), region="mask", fill=0.0, stretch=stretch)
    cases = [CaseGridd("image", grid)({"image": scans[f"{side}_image"], "mask": masks[f"{side}_mask"]})["image"]
             for side in ("fixed", "moving")]  # fmt: skip
    started = InitialTransformd(tuple(scans), "region", grid)({**scans, **masks})
    del started["fixed_mask"], started["moving_mask"]  # outside of masks a pair shows nothing
    grid.over = lambda content: grid_of(cases[0])  # type: ignore[method-assign]
    pair = PairGridd(tuple(scans), grid)(started)["image"]
    torch.testing.assert_close(pair.as_tensor(), torch.cat([case.as_tensor() for case in cases]), atol=0.02, rtol=0)


def test_stretched_voxels_fill_the_region() -> None:
    grid = CaseGrid(None, (5, 8, 11), region="whole", stretch=True)
    over = grid.over(content_of(placed(VALUES)))
    assert over.shape == (5, 8, 11)
    corners = torch.tensor([[-0.5] * 3, [4.5, 7.5, 10.5]]).double()
    scan = content_of(placed(VALUES)).frame
    own = voxel_to_world(torch.tensor([[-0.5] * 3, [size - 0.5 for size in scan.shape]]).double(), scan.affine)
    ends = voxel_to_world(corners, over.affine)
    torch.testing.assert_close(ends.sort(dim=0).values, own.sort(dim=0).values)


def test_liver_is_that_of_the_mask_or_found() -> None:
    values = torch.full((1, 40, 40, 40), -80.0) + torch.rand(1, 40, 40, 40)
    values[:, 8:28, 10:30, 10:26] += 180.0
    scan = MetaTensor(values, affine=torch.diag(torch.tensor([4.0, 4, 4, 1])).double())
    mask = torch.zeros_like(values)
    mask[:, 20:30, 20:30, 20:30] = 1
    grid = CaseGrid(None, (30, 30, 20), region="liver", stretch=True)
    found = grid.over(content_of(scan))
    torch.testing.assert_close(center_of(found), 4 * torch.tensor([17.5, 19.5, 17.5]).double())
    assert grid.over(content_of(scan, MetaTensor(mask))).spacing.tolist() == pytest.approx([4 * 2 / 3, 4 * 2 / 3, 4])


@pytest.mark.parametrize(("spacing", "size"), [(2.0, (4, 4, 4)), (None, None)])
def test_what_is_stretched_has_a_size_and_no_spacing(spacing: float | None, size: tuple[int, ...] | None) -> None:
    with pytest.raises(ValueError, match="stretch needs spatial_size and no spacing, got"):
        CaseGrid(spacing, size, stretch=True)


def test_a_label_map_is_taken_from_the_nearest_voxel_and_zero_outside() -> None:
    grid = CaseGrid(spatial_size=(40, 40, 40), region="whole", orientation="fixed", fill=0.0)
    done = CaseGridd("image", grid, label_keys=("label", "other"))({"image": placed(VALUES), "label": placed(LABELS)})
    resize = ResizeWithPadOrCrop((40, 40, 40))
    assert torch.equal(done["label"].as_tensor(), MetaTensor(resize(LABELS)).as_tensor().int())
    torch.testing.assert_close(done["image"].as_tensor(), MetaTensor(resize(VALUES)).as_tensor())
    assert "other" not in done


def test_a_grid_of_a_minimum_size_covers_all_and_no_less() -> None:
    grid = CaseGrid(2.0, minimum_size=(12, 40, 4), orientation="fixed").over(content_of(placed(VALUES)))
    assert grid.shape == (12, 40, 16)  # 20 x 36 x 33 mm are 10 x 18 x 16
    torch.testing.assert_close(center_of(grid), center_of(grid_of(placed(VALUES))))


def test_without_a_fill_the_border_goes_on() -> None:
    grid = CaseGrid(spatial_size=(30, 20, 24), region="whole", orientation="fixed")
    image = CaseGridd("image", grid)({"image": placed(VALUES)})["image"]
    torch.testing.assert_close(image.as_tensor(), F.pad(VALUES[None], (1, 1, 1, 1, 5, 5), mode="replicate")[0])


def test_resize_grid_moves_by_whole_voxels() -> None:
    grid = grid_of(placed(VALUES))
    same = resize_grid(resize_grid(grid, (30, 11, 25)), grid.shape)
    assert same.shape == grid.shape
    torch.testing.assert_close(same.affine, grid.affine)
    assert float((center_of(resize_grid(grid, (31, 11, 25))) - center_of(grid)).abs().max()) <= 1.0


def test_a_grid_around_the_mask_covers_it_and_a_quarter_more() -> None:
    mask = torch.zeros_like(LABELS)
    mask[:, 8:12, 5:13, 10:11] = 2
    grid = CaseGrid(region="mask", orientation="fixed")
    image = CaseGridd("image", grid)({"image": placed(VALUES), "mask": placed(mask)})["image"]
    torch.testing.assert_close(image.as_tensor(), VALUES[:, 7:13, 3:15, 10:11])


def test_a_grid_around_no_mask_is_told() -> None:
    with pytest.raises(ValueError, match="is to lie around the mask of the scan, which has none"):
        CaseGridd("image", CaseGrid(region="mask"))({"image": placed(VALUES)})


def test_another_region_is_told() -> None:
    with pytest.raises(ValueError, match="expected to be one of whole, foreground, mask, lungs, liver, got body"):
        CaseGrid(region="body")


def test_the_whole_field_of_view_stays_where_it_is_asked_for() -> None:
    scan = placed(VALUES, PADDING, -1024.0)
    image = CaseGridd("image", CaseGrid(region="whole", orientation="fixed", fill=7.0))({"image": scan})["image"]
    assert image.shape == scan.shape
    assert torch.equal(image.as_tensor() == 7.0, scan.as_tensor() == -1024.0)


def test_normalizations_of_monai_see_the_image_alone() -> None:
    grid = CaseGrid(orientation="fixed", normalization=ScaleIntensityRange(0, 1000, 0, 1))
    image = CaseGridd("image", grid)({"image": placed(VALUES)})["image"]
    torch.testing.assert_close(image.as_tensor(), VALUES / 1000)
