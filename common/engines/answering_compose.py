"""Transforms of a server: MONAI Label answers a failing one with "Internal Server Error", and keeps its sentence."""

import sys
from typing import Any

from monai.transforms import Compose

from common.io import find_mistake

from .workflow import sentence


class AnsweringCompose(Compose):
    """Transforms whose mistakes reach the client of MONAI Label: as the sentence of a 422, unprocessable.

    Outside of a server the mistake is raised as it is.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Transform.

        Raises:
            HTTPException: of MONAI Label's server, if the data cannot be used.
        """
        try:
            return super().__call__(*args, **kwargs)
        except Exception as error:
            server: Any = sys.modules.get("fastapi")
            if server is None or find_mistake(error) is None:
                raise
            raise server.HTTPException(status_code=422, detail=sentence(error)) from error
