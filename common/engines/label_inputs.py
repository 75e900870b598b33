"""What MONAI Label runs before the network."""

from collections.abc import Callable

from common.transforms import StudyPaird

from .answering_compose import AnsweringCompose


def label_preprocessing(preprocessing: Callable) -> AnsweringCompose:
    """Build the way from a request to the network's ``image``.

    Args:
        preprocessing: that of the bundle, from the files of a pair.

    Returns:
        One transform, whose mistakes reach the client.
    """
    return AnsweringCompose([StudyPaird(), preprocessing])
