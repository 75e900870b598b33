"""Deformable medical image registration: the package the MONAI bundles of this project share."""

import os

# Idle threads sleep rather than spin, where torch is not there yet: on a busy machine all is several times faster.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
