"""The first line of CSV: which character separates cells, and what each column is."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from dataclasses import dataclass

from app.core import limits
from app.core.errors import FieldFault, Invalid
from app.web.streams.columns import Columns, Put

_SEPARATORS = (",", ";", "\t")
_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Header:
    """What the records below are read by."""

    separator: str
    names: tuple[str, ...]
    puts: tuple[Put, ...]


def parse(line: bytes, columns: Columns) -> Header:
    """Raises Invalid, naming what is wrong with each column."""
    try:
        text = line.decode()
        outside = "".join(text.split('"')[::2])
        separator = max(_SEPARATORS, key=outside.count)
        cells = next(csv.reader([text], delimiter=separator, strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(FieldFault("header", "malformed", "The header line is not CSV.")) from error
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise _bad(FieldFault("header", "empty", "The header line is empty."))
    if len(names) > limits.CSV_COLUMNS_MAX:
        raise _bad(FieldFault("header", "too_many_columns", f"There may be {limits.CSV_COLUMNS_MAX} columns."))
    faults = [FieldFault(f"header.{at}", "empty", "This column has no name.") for at, name in enumerate(names, 1) if not name]
    counts = Counter(name for name in names if name)
    faults += [
        FieldFault(f"header.{name[:_SHOWN_MAX]}", "duplicate", "There are two columns of this name.")
        for name, count in counts.items()
        if count > 1
    ]
    if faults:
        raise _bad(*faults)
    found = {name: columns(name) for name in names}
    unknown = [_unknown(name, columns) for name, put in found.items() if put is None][: limits.FAULTS_MAX]
    if unknown:
        raise Invalid(unknown, code="unknown_column")
    return Header(separator, names, tuple(put for put in found.values() if put is not None))


def _unknown(name: str, columns: Columns) -> FieldFault:
    near = difflib.get_close_matches(name[:_SHOWN_MAX].lower(), columns.names, n=1)
    detail = "There is no such column here." + (f" Did you mean `{near[0]}`?" if near else "")
    return FieldFault(f"header.{name[:_SHOWN_MAX]}", "unknown_column", detail)


def _bad(*faults: FieldFault) -> Invalid:
    return Invalid(faults[: limits.FAULTS_MAX], code="bad_header")
