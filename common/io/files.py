"""Files that have to be there, and the text in them."""

from pathlib import Path

from .input_error import InputError


def existing_file(path: str | Path, hint: str = "") -> Path:
    """The path of a file that is there.

    Args:
        path: of the file.
        hint: the rest of the sentence, if it is not there.

    Raises:
        FileNotFoundError: if it is not.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}{hint}.")
    return path


def read_text(path: str | Path) -> str:
    """Read a text, UTF-8 with or without the mark that spreadsheets put in front; line ends as they are.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no text.
    """
    try:
        return existing_file(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file.") from error
