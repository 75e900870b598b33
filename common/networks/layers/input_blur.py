"""Input blur: a network in training sees blurred images at first, and sharper ones by and by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from common.spatial import gaussian_blur
from common.spatial.gaussian import IDENTITY

from .curriculum_hooks import CurriculumHooks, before


class InputBlur(CurriculumHooks):
    """Blurs what goes into a network and, where it is asked to, the images that its loss compares, on their device.

    All images that the network is called with are blurred, fixed and moving; see `common.spatial.gaussian_blur`.

    Args:
        network: see `CurriculumHooks`; in evaluation mode it sees sharp images.
        value: sigma in voxels; below 0.05 the images are sharp.
        loss: module that is called with a prediction and a batch, whose images it shall see blurred, too; by default it
            sees sharp ones.
        keys: of those images in the batch.

    Raises:
        TypeError: see there; or if the loss is not a module or called without a batch.
        InputError: see there.

    Reference:
        Burduja and Ionescu, "Unsupervised medical image alignment with curriculum learning", ICIP 2021,
        https://doi.org/10.1109/ICIP42928.2021.9506067.

    Example:
        >>> network = nn.Conv2d(2, 2, 3).train()
        >>> blur = InputBlur(network, 1.0)
        >>> image = torch.rand(1, 2, 8, 8)
        >>> torch.equal(network(image), network.eval()(gaussian_blur(image, 1.0)))
        True
    """

    name = "curriculum_input_blur"

    def __init__(
        self,
        network: nn.Module,
        value: float = 0.0,
        loss: nn.Module | None = None,
        keys: Sequence[str] = ("fixed_image", "moving_image"),
    ) -> None:
        if not isinstance(loss, nn.Module | None):
            raise TypeError(f"InputBlur() expects 'loss' to be a torch.nn.Module, got {loss!r}.")
        self.loss = loss
        self.keys = keys
        super().__init__(network, value)

    def _is_felt(self) -> bool:
        return self.value >= IDENTITY

    def _insert(self) -> Iterator[RemovableHandle]:
        yield before(self.network, self._blur_images)
        if self.loss is not None:
            yield before(self.loss, self._blur_batch)

    def _blur_images(self, module: nn.Module, arguments: tuple) -> tuple | None:
        return tuple(self._blur(each) for each in arguments) if module.training else None

    def _blur_batch(self, module: nn.Module, arguments: tuple) -> tuple | None:
        if not self.network.training:
            return None
        prediction, batch, *others = arguments
        if not isinstance(batch, Mapping):
            raise TypeError(f"InputBlur() expects its loss to be called with a batch, a dictionary, got {type(batch)}.")
        return prediction, {**batch, **{key: self._blur(batch[key]) for key in self.keys if key in batch}}, *others

    def _blur(self, image: Any) -> Any:
        """Blur what is an image."""
        if not isinstance(image, Tensor) or image.ndim not in (4, 5) or not torch.is_floating_point(image):
            return image
        return gaussian_blur(image.as_subclass(Tensor), self.value).to(image.dtype)
