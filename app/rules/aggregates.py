"""Functions over other tables, such as how many entries a customer has: looked up for some rows, or made once for all of them.

Which is faster, a planner cannot be left to find out: an aggregate for all rows cannot stop when a page is full, and is made again for
each row where too few rows were expected; a look-up for each of a million rows takes seconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, not_

from app.rules.catalogue import Expression, Test

# Any: a key of any type.


def value(subject: ColumnElement[Any], *, entries: Select[Any], key: ColumnElement[Any], aggregate: Expression) -> Expression:
    """The aggregate over the entries of one row, 0 where there is none."""
    return func.coalesce(_of_row(subject, entries, key).with_only_columns(aggregate).scalar_subquery(), 0)


def has_any(subject: ColumnElement[Any], *, entries: Select[Any], key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row has any entry; the planner joins it in whatever order is cheapest."""
    return exists(_of_row(subject, entries, key).with_only_columns(key))


def looked_up(
    subject: ColumnElement[Any],
    *,
    entries: Select[Any],
    key: ColumnElement[Any],
    aggregate: Expression,
    test: Test,
    enough: ColumnElement[bool],
    recent: ColumnElement[bool],
) -> ColumnElement[bool]:
    """As `compared`, row by row, by an index. `enough` and `recent` are true for every row with entries that come to it, and for as few
    others as the row can tell.
    """
    found = value(subject, entries=entries, key=key, aggregate=aggregate)
    if test.passes(0):
        return not_(and_(recent, enough, not_(test.of(found))))
    # The planner asks no column about a CASE. Where `recent` stands by itself he takes its chance times that of an entry, though the one is
    # the other, expects a fifth of those there are, and rather fetches everybody with an entry: 336 ms instead of 25 for a page of those
    # with three orders in ninety days.
    return and_(enough, test.of(case((recent, found), else_=0)))


def _of_row(subject: ColumnElement[Any], entries: Select[Any], key: ColumnElement[Any]) -> Select[Any]:
    return entries.where(key == subject).correlate(subject.table)


def compared(
    subject: Expression, *, entries: Select[Any], key: ColumnElement[Any], aggregate: Expression, test: Test
) -> ColumnElement[bool]:
    """Whether the aggregate over a row's entries passes `test`; 0 where there is no entry, and never NULL. Made once for all rows.

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
