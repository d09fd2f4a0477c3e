"""Add when a segment's members were last counted"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The same for all rows that are there, so none is written; and for whoever does not know of the column yet.
    op.add_column("segment_counts", sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")))


def downgrade() -> None:
    op.drop_column("segment_counts", "counted_at")
