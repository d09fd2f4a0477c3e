"""Create events"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db.columns import Xid8

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor", JSONB(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("xid", "id", name="pk_events"),
    )
    op.create_index("ix_events_subject", "events", ["subject", "xid", "id"])
    # A trigger and not a default: on Citus a default of INSERT .. SELECT is computed on a worker, with the worker's transaction id.
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
    op.execute("CREATE TRIGGER events_set_xid BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_set_xid()")
    op.create_table(
        "feed_epoch",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("system_identifier", sa.Text()),
        sa.PrimaryKeyConstraint("one", name="pk_feed_epoch"),
        sa.CheckConstraint("one = 1", name="ck_feed_epoch_one_row"),
    )
    op.execute("INSERT INTO feed_epoch (one, epoch) VALUES (1, 1)")


def downgrade() -> None:
    op.drop_table("feed_epoch")
    op.drop_table("events")
    op.execute("DROP FUNCTION events_set_xid()")
