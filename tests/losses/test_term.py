import torch

from common.losses import Direction, Regularization, Similarity, Term


def test_terms_need_nothing_of_the_moving_scan_unless_they_say_so() -> None:
    pair = Direction(torch.zeros(1, 2, 4, 4), {"moving_image": torch.ones(1, 1, 4, 4)})
    terms: list[Term] = [Regularization(torch.sum), Similarity(torch.nn.MSELoss())]
    assert [term.moving(pair) is None for term in terms] == [True, False]
