"""Functions over other tables, such as how many entries a customer has: evaluated once for the statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, not_

from app.rules.catalogue import Expression, Test

# Any: a key of any type.


def compared(
    subject: Expression, *, entries: Select[Any], key: ColumnElement[Any], aggregate: Expression, test: Test
) -> ColumnElement[bool]:
    """Whether the aggregate over a row's entries passes `test`; 0 where there is no entry, and never NULL.

    `subject` is the row's id, `entries` selects the entries that count, `key` in it is whose each is, and `aggregate` is over them and
    never NULL. Where 0 passes too, the rows are sought whose entries fail, since those without any are in no group. A subquery of its own
    under EXISTS becomes one hash join, also where it is negated; where it stands beside an OR, PostgreSQL makes the aggregate once and
    hashes it, or looks each row up by `key`, whichever is cheaper. An IN too large to be hashed would be scanned for each row.
    """
    grouped = entries.with_only_columns(key.label("key")).group_by(key)
    if not test.passes(0):
        return _is_in(subject, grouped.having(test.of(aggregate)))
    return not_(_is_in(subject, grouped.having(not_(test.of(aggregate)))))


def _is_in(subject: Expression, grouped: Select[Any]) -> ColumnElement[bool]:
    found = grouped.subquery()
    return exists().where(found.c.key == subject)
