"""Let the times of writing be the columns' defaults"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TIMES = (
    ("events", "time"),
    ("customers", "created_at"),
    ("customers", "updated_at"),
    ("contact_history", "created_at"),
    ("contact_history", "updated_at"),
)


def upgrade() -> None:
    # The release before says them all, and runs on.
    for table, column in _TIMES:
        op.alter_column(table, column, server_default=sa.text("now()"))


def downgrade() -> None:
    for table, column in _TIMES:
        op.alter_column(table, column, server_default=None)
