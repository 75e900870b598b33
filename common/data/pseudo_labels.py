"""Displacement fields that a training has made for itself, on disk.

MONAI's `PersistentDataset` keeps what was read, pickled and under a hash of its name; these are written over and over,
looked up by the stage of the training, and mapped into memory.
"""

import io
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.io import InputError, save_bytes

DTYPE = np.float16  # an error of 0.008 voxels at most, for displacements below 32
SOURCE_BYTES = 32


class PseudoLabels:
    """One file for each pair and stage; each is whole or absent.

    A file knows what it was made from, so that a run that was killed on the way makes the missing ones alone.

    Args:
        folder: of the files.
        keep: how many of the last stages to keep: with two, a run can go on from either side of a change.
    """

    def __init__(self, folder: str | Path, keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def write(self, stage: int, number: int, field: Tensor, difficulty: float, source: str) -> None:
        """Write the label of a pair.

        Args:
            stage: counted from 0.
            number: of the pair, from 0.
            field: displacement, `(d, *coarse)`, voxels of its grid.
            difficulty: of the pair, see `common.data.sampling_weights`.
            source: what tells this label from others, such as a hash; at most 32 letters.

        Raises:
            OSError: if it cannot be written.
        """
        layout = [("source", f"S{SOURCE_BYTES}"), ("difficulty", "f8"), ("field", DTYPE, tuple(field.shape))]
        record = np.zeros(1, layout)
        record["source"], record["difficulty"], record["field"] = source, difficulty, field.cpu().numpy()
        content = io.BytesIO()
        np.save(content, record, allow_pickle=False)
        path = self._path(stage, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with content.getbuffer() as view:
            save_bytes(path, view)

    def field(self, stage: int, number: int) -> Tensor:
        """The displacement of a pair, `(d, *coarse)`, voxels of its grid, float32.

        Raises:
            InputError: if there is no such label.
        """
        return torch.from_numpy(self._record(stage, number)["field"][0].astype(np.float32))

    def difficulty(self, stage: int, number: int) -> float:
        """How difficult a pair is.

        Raises:
            InputError: if there is no such label.
        """
        return float(self._record(stage, number)["difficulty"][0])

    def source(self, stage: int, number: int) -> str | None:
        """What a label was made from; None where there is none, or it is damaged."""
        try:
            return bytes(self._record(stage, number)["source"][0]).decode("ascii")
        except (InputError, UnicodeDecodeError):
            return None

    def forget(self, stage: int) -> None:
        """Remove what is older than the stages to keep, the last of which is `stage`."""
        for path in self.folder.glob("stage=*"):
            name = path.name.removeprefix("stage=")
            if name.isdecimal() and int(name) <= stage - self.keep:
                shutil.rmtree(path)

    def _path(self, stage: int, number: int) -> Path:
        return self.folder / f"stage={stage}" / f"pair={number}.npy"

    def _record(self, stage: int, number: int) -> np.ndarray:
        path = self._path(stage, number)
        try:
            record: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            if record.shape == (1,) and record.dtype.names == ("source", "difficulty", "field"):
                return record
        except (EOFError, OSError, ValueError) as error:
            raise InputError(f"There is no whole pseudo label {path}: begin again in another --output_dir.") from error
        raise InputError(f"{path} is no pseudo label: begin again in another --output_dir.")
