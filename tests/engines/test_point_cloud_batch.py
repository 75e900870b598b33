"""Augmentation of clouds: a map that both follow, and the label with them."""

import torch

from common.engines import PointCloudBatch
from common.networks.nets import join_clouds


def draw(pairs: int = 3) -> dict[str, torch.Tensor]:
    """A fixed cloud, and as the moving one where its labels take it."""
    torch.manual_seed(0)
    fixed, label = torch.rand(pairs, 20, 3), 0.3 * torch.rand(pairs, 20, 3)
    return {"image": join_clouds(fixed, fixed + label), "pseudo_label": label}


def test_label_follows_the_clouds() -> None:
    batch = draw()
    image, moved = PointCloudBatch(rotation_degrees=10, translation=0.1, scale=0.1)(batch, "cpu")
    assert not torch.equal(image, batch["image"])
    torch.testing.assert_close(image[:, :20, :3] + moved["pseudo_label"], image[:, 20:, :3])
    torch.testing.assert_close(image[..., 3], batch["image"][..., 3])


def test_map_is_a_rotation_times_the_unit_of_each_pair() -> None:
    batch = draw()
    image, moved = PointCloudBatch(rotation_degrees=40, translation=0.1, scale=0.1)(batch, "cpu")
    before, after = (torch.pdist(clouds[0, :, :3]) for clouds in (batch["image"], image))
    torch.testing.assert_close(after, moved["unit"][0, 0] * before)
    assert len(moved["unit"].unique()) == 3
    assert ((moved["unit"] - 1).abs() <= 0.1).all()


def test_rotation_keeps_the_handedness_and_its_bounds() -> None:
    axes = torch.cat([torch.eye(3), torch.ones(3, 1)], 1)[None].expand(50, -1, -1)
    turned = PointCloudBatch(rotation_degrees=10)({"image": axes}, "cpu")[0][..., :3]
    torch.testing.assert_close(torch.linalg.det(turned), torch.ones(50))
    angles = torch.rad2deg(torch.acos((turned.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2))
    assert 5 < angles.max() < 10 * 3**0.5 + 1


def test_without_augmentation_nothing_moves() -> None:
    batch = draw()
    image, moved = PointCloudBatch()(batch, "cpu")
    torch.testing.assert_close(image, batch["image"])
    torch.testing.assert_close(moved["pseudo_label"], batch["pseudo_label"])
    assert (moved["unit"] == 1).all()
