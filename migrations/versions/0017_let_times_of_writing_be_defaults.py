"""Let the times of writing be the columns' defaults"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# In the order in which writers go: who waits for one of the tables holds none that comes after it.
_TIMES = {"customers": ("created_at", "updated_at"), "contact_history": ("created_at", "updated_at"), "events": ("time",)}


def upgrade() -> None:
    # The release before says them all, and runs on.
    _change("SET DEFAULT now()")


def downgrade() -> None:
    _change("DROP DEFAULT")


def _change(action: str) -> None:
    for table, columns in _TIMES.items():
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"ALTER COLUMN {column} {action}" for column in columns))
