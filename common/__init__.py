"""Deformable medical image registration: the package the MONAI bundles of this project share."""

import os

# Threads that spin while they wait make everything several times slower where others compute, those that sleep twice as
# slow where nobody does. It counts where torch is not there yet.
if hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1) / 2:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
