"""The clouds of a pair, read or found in its scans, and the field that a network makes of them.

MONAI has no transform of points but affine ones. Unlike the ``*_keypoints`` of a pair, which correspond one by one and
are for measuring, the points of ``fixed_cloud`` and ``moving_cloud`` are many, and which of them correspond is the
question.
"""

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from common.features import foerstner_keypoints, lung_mask
from common.io import InputError, grid_of, read_points
from common.networks.nets import join_clouds
from common.spatial import Grid, ras_to_lps, sample, scattered_spline_displacement, voxel_to_world, world_to_voxel

from .case_grid import CaseGrid, CaseGridd

logger = logging.getLogger("common")
FEWEST, MOST = 16, 8000  # points: neighbors to go by, and a spline through all of them in 1 GB
WINDOWS = range(5, 41, 2)


class KeyPointsd(MapTransform):
    """Get the clouds of a pair: ``(N, 3)``, LPS mm, float64.

    A path is read, see `common.io.read_points`, without its undefined points. Where there is none, Foerstner key points
    of the scan are found inside its mask, or in its lungs, or where it shows none everywhere.

    Args:
        keys: the clouds, ``fixed_cloud`` and ``moving_cloud``; their scans are ``*_image``, ``(1, *spatial)``, and the
            masks of these ``*_mask``.
        grid: how a scan is brought onto the grid on which it is looked for them.
        sigma: see `common.features.foerstner_keypoints`, voxels of that grid.
        windows: sides of the box of which a key point is the most distinct voxel, for each cloud; larger ones are taken
            where there would be more than 8000 points.
    """

    def __init__(
        self, keys: KeysCollection, grid: CaseGrid, sigma: float = 1.4, windows: Sequence[int] = (7, 5)
    ) -> None:
        super().__init__(keys)
        self.grid = grid
        self.sigma = sigma
        self.windows = windows

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Read or find.

        Raises:
            InputError: if there are fewer than 16 points or more than 8000 in a file.
        """
        done = dict(data)
        for key, window in zip(self.keys, self.windows, strict=True):
            side = str(key).removesuffix("_cloud")
            if key in data:
                points = read_points(data[key]).positions
                points, name = points[points.isfinite().all(dim=1)], str(data[key])
            else:
                points, name = self._find(data[f"{side}_image"], data.get(f"{side}_mask"), window), f"The {side} scan"
            if not FEWEST <= len(points) <= MOST:
                raise InputError(f"{name} is expected to have {FEWEST} to {MOST} key points, got {len(points)}.")
            logger.info("  %s key points: %d", side, len(points))
            done[key] = points
        return done

    def _find(self, scan: MetaTensor, mask: MetaTensor | None, window: int) -> torch.Tensor:
        case: dict[Hashable, Any] = {"image": scan} if mask is None else {"image": scan, "mask": mask}
        placed = CaseGridd("image", self.grid, "mask")(case)["image"]
        grid = grid_of(placed)
        if mask is None:
            inside = lung_mask(scan)
            inside = inside if inside.any() else torch.ones_like(inside)
        else:
            inside = mask.as_tensor() > 0
        places = grid.map_to(grid_of(scan).affine)
        region = sample(inside[None].float(), places, mode="nearest", padding="inside")
        image = placed.as_tensor()[None]
        points = torch.zeros(MOST + 1, 3)
        for side in (side for side in WINDOWS if side >= window):
            if len(points) > MOST:
                points = foerstner_keypoints(image, region, self.sigma, side)
        return voxel_to_world(points.double(), ras_to_lps(grid.affine))


class PairCloudsd(Transform):
    """Bring both clouds into the frame of the network.

    Adds ``image``, see `common.networks.nets.PointRegistrationNet`, and ``cloud_shift``, mm.

    Args:
        scale_mm: what is 1 in that frame, along the patient's axes x, y and z.
        initial_transform: "centers" lays the means of both clouds on one another, "none" leaves them where they are.
    """

    def __init__(self, scale_mm: Sequence[float], initial_transform: str = "centers") -> None:
        if initial_transform not in ("centers", "none"):
            raise InputError(f"--initial_transform is expected to be centers or none here, got {initial_transform}.")
        self.scale_mm = torch.tensor(scale_mm, dtype=torch.float64)
        self.initial_transform = initial_transform

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Shift, scale and join."""
        fixed, moving = data["fixed_cloud"], data["moving_cloud"]
        center = fixed.mean(dim=0)
        shift = moving.mean(dim=0) - center if self.initial_transform == "centers" else torch.zeros_like(center)
        clouds = (fixed - center) / self.scale_mm, (moving - center - shift) / self.scale_mm
        return {**data, "image": join_clouds(*clouds).float(), "cloud_shift": shift}


class CloudFieldd(Transform):
    """Make of the displacements of the fixed points the one field of a pair.

    Adds ``displacement_field``, see `common.transforms.field_of`, on the grid of ``fixed_image``, or where there is
    none on one around the fixed cloud; and ``displaced_cloud``, where the network takes the fixed points, LPS mm.

    Args:
        scale_mm: see `PairCloudsd`.
        spacing: of the grid around a cloud, mm, along x, y and z.
        margin_mm: of that grid, beyond the outermost points.
        smoothing, step: see `common.spatial.scattered_spline_displacement`.
    """

    def __init__(
        self,
        scale_mm: Sequence[float],
        spacing: Sequence[float] | float = 2.0,
        margin_mm: float = 20.0,
        smoothing: float = 0.1,
        step: int = 4,
    ) -> None:
        self.scale_mm = torch.tensor(scale_mm)
        self.spacing = torch.as_tensor(spacing, dtype=torch.float64).expand(3)
        self.margin_mm = margin_mm
        self.smoothing = smoothing
        self.step = step

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Interpolate.

        Raises:
            InputError: if the network's answer is not finite, or the points lie in a plane.
        """
        points = torch.as_tensor(data["fixed_cloud"]).cpu()
        moved = torch.as_tensor(data["pred"]).as_subclass(torch.Tensor).detach().cpu() * self.scale_mm
        if not bool(moved.isfinite().all()):
            raise InputError("The displacement is not finite: are the weights damaged, or the points far apart?")
        moved = moved.double() + torch.as_tensor(data["cloud_shift"]).cpu()
        grid = grid_of(data["fixed_image"]) if "fixed_image" in data else self._around(points)
        voxels = world_to_voxel(points, ras_to_lps(grid.affine)).float()
        try:
            field = scattered_spline_displacement(voxels, moved.float(), grid.shape, self.smoothing, self.step)[0]
        except ValueError as error:
            raise InputError("The fixed cloud is expected to lie in no plane.") from error
        field = MetaTensor(field, affine=grid.affine_3d())
        return {**data, "displacement_field": field, "displaced_cloud": points + moved}

    def _around(self, points: torch.Tensor) -> Grid:
        """Axes along RAS."""
        ras = points * torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)
        low, high = ras.amin(0) - self.margin_mm, ras.amax(0) + self.margin_mm
        affine = torch.diag(torch.cat([self.spacing, torch.ones(1, dtype=torch.float64)]))
        affine[:3, 3] = low
        return Grid(tuple(((high - low) / self.spacing).ceil().long().add(1).tolist()), affine)
