"""Deformable medical image registration: the package the MONAI bundles of this project share."""
