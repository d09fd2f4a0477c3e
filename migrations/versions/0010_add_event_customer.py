"""Add whose event it is"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a value for the events that are there: who asks reads on from the end of the log.
    op.add_column("events", sa.Column("customer_id", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("events", "customer_id")
