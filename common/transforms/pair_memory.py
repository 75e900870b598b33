"""What a pair will need of the computer's memory."""

import math

from common.io import check_memory
from common.spatial import Grid

FIXED_BYTES, WORKING_BYTES = 85, 60  # a voxel, of all steps but the network; the peak of memory, measured in 3-D


def check_pair_memory(fixed: Grid, working: Grid, bytes_per_voxel: float) -> None:
    """Refuse a pair that needs much more memory than there is; see `common.io.check_memory`.

    Args:
        fixed: grid of the fixed scan and of the result.
        working: grid of the registration.
        bytes_per_voxel: of the network, for a voxel of the working grid.

    Raises:
        InputError: if so.
    """
    for_results = FIXED_BYTES * math.prod(fixed.shape)
    for_network = (WORKING_BYTES + bytes_per_voxel) * math.prod(working.shape)
    size = " x ".join(map(str, (fixed if for_results > for_network else working).shape))
    check_memory(
        for_results + for_network,
        f"resample or crop the fixed scan of {size} voxels"
        if for_results > for_network
        else f"choose a coarser spacing than that of {size} voxels",
    )
