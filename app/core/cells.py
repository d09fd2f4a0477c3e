"""Cells of a table of text, such as CSV, read as what they are meant to be."""

from __future__ import annotations

import re
from typing import Any

import orjson

from app.core.faults import Fault

_WHOLE = re.compile(r"-?[0-9]{1,20}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?\Z")
_TRUTHS = {"true": True, "false": False}


class Cell(str):
    """Text of a cell of which only somebody further down knows the type."""

    __slots__ = ()


def whole(cell: str) -> int:
    """Raises Fault."""
    if not _WHOLE.match(cell.strip()):
        raise Fault("wrong_type", "This has to be a whole number.")
    return int(cell)


def number(cell: str) -> int | float:
    """A whole number exactly. Raises Fault."""
    if not _NUMBER.match(cell.strip()):
        raise Fault("wrong_type", "This has to be a number.")
    return int(cell) if _WHOLE.match(cell.strip()) else float(cell)


def truth(cell: str) -> bool:
    """Raises Fault."""
    found = _TRUTHS.get(cell.strip().lower())
    if found is None:
        raise Fault("wrong_type", "This has to be true or false.")
    return found


def is_array(cell: str) -> bool:
    return cell.lstrip().startswith("[")


def parts(cell: str) -> list[str]:
    """A list as people write it, apart by `|`."""
    return [item for part in cell.split("|") if (item := part.strip())]


def texts(cell: str) -> Any:
    """A list of texts, as a JSON array or as people write it; what an array holds is still to be checked. Raises Fault."""
    if not is_array(cell):
        return parts(cell)
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError as error:
        raise Fault("malformed_json", "This is not a JSON array.") from error
