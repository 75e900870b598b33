"""How much is worked on at a time, so that it stays in the cache of a CPU."""

CHUNK = 1 << 16  # voxels
SLAB = 1 << 19  # numbers of a field
