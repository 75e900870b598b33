"""Networks as MONAI knows them: nets take one tensor `image` and return the displacement field."""
