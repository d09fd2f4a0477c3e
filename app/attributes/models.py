"""The table of definitions, small and read whole, and the one row that says which edition of it there is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import Timestamp


class Attribute(Base):
    """A definition. A name without one is no mistake: its values are kept as they come, and no rule may ask for them."""

    __tablename__ = "attributes"
    __table_args__ = (
        CheckConstraint("type IN ('string', 'integer', 'number', 'boolean', 'date', 'timestamp', 'enum', 'string_list')", name="type"),
        CheckConstraint("(type = 'enum') = (choices IS NOT NULL)", name="choices"),
        CheckConstraint("version > 0", name="version"),
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    # Of an enum: the values that there are.
    choices: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    required: Mapped[bool] = mapped_column(Boolean)
    indexed: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)


class AttributeEdition(Base):
    """One row, with a new id whenever values come to be checked otherwise; none before the first definition.

    An id and no number, so that it is never had twice, not even by databases that are copies of one another.
    """

    __tablename__ = "attribute_edition"
    __table_args__ = (CheckConstraint("is_only", name="is_only"),)

    is_only: Mapped[bool] = mapped_column(Boolean, primary_key=True, autoincrement=False)
    edition: Mapped[UUID] = mapped_column(Uuid)
