"""Replace the trigger on events by a default"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TRIGGER = "CREATE TRIGGER events_set_xid BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_set_xid()"


def upgrade() -> None:
    # A trigger makes COPY write row by row. On Citus a default is the worker's id only where rows come from a distributed table, and
    # events never do: they come from values.
    op.alter_column("events", "xid", server_default=sa.text("pg_current_xact_id()"))
    op.execute("DROP TRIGGER events_set_xid ON events")
    op.execute("DROP FUNCTION events_set_xid()")


def downgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION events_set_xid() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            new.xid := pg_current_xact_id();
            RETURN new;
        END
        $$
        """
    )
    op.execute(_TRIGGER)
    op.alter_column("events", "xid", server_default=None)
