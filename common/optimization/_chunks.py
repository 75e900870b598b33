"""How much is worked on at a time, so that it stays in the cache of a CPU."""

CHUNK = 1 << 16  # voxels
SMALL_CHUNK = 1 << 13  # voxels, where the slopes of all features are kept
SLAB = 1 << 19  # numbers of a field
