"""Add contact_history.synced_digest"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact_history", sa.Column("synced_digest", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("contact_history", "synced_digest")
