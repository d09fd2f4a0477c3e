"""Keep events as the text that is written"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change("text")


def downgrade() -> None:
    _change("json")


def _change(kind: str) -> None:
    # The table is rewritten, once for both, in which time nothing else gets at it. So it may take longer than other migrations.
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(f"ALTER TABLE events ALTER COLUMN actor TYPE {kind} USING actor::{kind}, ALTER COLUMN data TYPE {kind} USING data::{kind}")
