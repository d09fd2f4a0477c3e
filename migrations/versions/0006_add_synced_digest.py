"""Add customers.synced_digest"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("synced_digest", sa.LargeBinary()))


def downgrade() -> None:
    op.drop_column("customers", "synced_digest")
