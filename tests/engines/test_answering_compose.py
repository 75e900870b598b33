import sys
from types import ModuleType
from typing import Any

import pytest

from common.engines import AnsweringCompose, sentence
from common.io import InputError


class RefusalError(Exception):
    """Stands in for that of fastapi, which is no dependency."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(f"{status_code} {detail}")


def fail(data: Any) -> Any:
    raise InputError(f"{data} is no scan.")


def test_transforms_are_composed() -> None:
    assert AnsweringCompose([lambda n: n + 1, lambda n: 2 * n])(3) == 8


def test_client_is_answered_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ModuleType("fastapi")
    monkeypatch.setattr(server, "HTTPException", RefusalError, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", server)
    with pytest.raises(RefusalError, match=r"^422 a\.nii is no scan\.$"):
        AnsweringCompose([fail])("a.nii")


def test_what_is_no_mistake_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", ModuleType("fastapi"))
    with pytest.raises(RuntimeError, match="applying transform") as error:
        AnsweringCompose([lambda data: data["absent"]])({})
    assert isinstance(error.value.__cause__, KeyError)


def test_mistake_is_raised_outside_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(RuntimeError, match="applying transform") as error:
        AnsweringCompose([fail])("a.nii")
    assert sentence(error.value) == "a.nii is no scan."
