"""The table of keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import Timestamp


class IdempotencyKey(Base):
    """One executed write. The row is inserted before the write and completed after it, in the transaction of the write."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("token_id", "key"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    token_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(Text)
    # SHA-256 of method, address and parsed body.
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    # Status, headers and body, as the edge wrote them. NULL where that held a secret; then `secret_id` names what it belongs to.
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_id: Mapped[UUID | None]
