"""Keep events as they are sent"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change("json")


def downgrade() -> None:
    _change("jsonb")


def _change(kind: str) -> None:
    # The table is rewritten, once for both: a million events take about half a minute, in which nothing else gets at them. So it may take
    # longer than other migrations.
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(f"ALTER TABLE events ALTER COLUMN actor TYPE {kind} USING actor::{kind}, ALTER COLUMN data TYPE {kind} USING data::{kind}")
