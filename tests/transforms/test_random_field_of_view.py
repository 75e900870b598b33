import torch

from common.transforms import RandFieldOfViewd


def test_margins_are_blanked_within_what_was_scanned() -> None:
    image = torch.zeros(1, 12, 13, 14)
    image[:, 2:10, 1:12, 3:13] = 5.0
    change = RandFieldOfViewd("image", prob=1.0, margin=2).set_random_state(0)
    seen = set()
    for _ in range(60):
        kept = change({"image": image, "label": 1})["image"].nonzero()[:, 1:]
        first, last = kept.amin(0).tolist(), (kept.amax(0) + 1).tolist()
        assert len(kept) == torch.tensor(last).sub(torch.tensor(first)).prod()  # a box
        seen |= {(axis, n - at) for axis, (n, at) in enumerate(zip(first, (2, 1, 3), strict=True))}
        seen |= {(axis + 3, at - n) for axis, (n, at) in enumerate(zip(last, (10, 12, 13), strict=True))}
    assert seen == {(face, margin) for face in range(6) for margin in (0, 1, 2)}


def test_each_image_is_drawn_on_its_own_and_the_input_stays() -> None:
    data = {"fixed_image": torch.ones(1, 9, 9), "moving_image": torch.ones(1, 9, 9)}
    change = RandFieldOfViewd(("fixed_image", "moving_image"), prob=0.5, margin=3).set_random_state(3)
    changed = [[bool((done[key] == 0).any()) for key in data] for done in (change(data) for _ in range(40))]
    assert {tuple(each) for each in changed} == {(False, False), (False, True), (True, False), (True, True)}
    assert all(bool((image == 1).all()) for image in data.values())


def test_same_state_same_margins() -> None:
    data = {"image": torch.rand(1, 9, 9, 9) + 1}
    first, second = (RandFieldOfViewd("image", 1.0, 3).set_random_state(5)(data)["image"] for _ in range(2))
    assert torch.equal(first, second)
