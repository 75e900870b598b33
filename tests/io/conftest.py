"""What the tests of files share."""

import locale
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _same_locale() -> Iterator[None]:
    """SimpleITK leaves the process in the locale C after it has written DICOM."""
    before = locale.setlocale(locale.LC_CTYPE)
    yield
    locale.setlocale(locale.LC_CTYPE, before)
