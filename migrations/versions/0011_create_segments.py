"""Create segments"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.columns import Xid8

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# As app.segments.worker.lanes has it; another number would be another cut through all customers.
_LANES = 4


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule_text", sa.Text()),
        sa.Column("attributes", ARRAY(sa.Text()), nullable=False),
        sa.Column("segments", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_segments"),
        sa.UniqueConstraint("name", name="uq_segments_name"),
        sa.CheckConstraint("kind IN ('dynamic', 'static')", name="ck_segments_kind"),
        sa.CheckConstraint("(kind = 'dynamic') = (rule_text IS NOT NULL)", name="ck_segments_rule_text"),
        sa.CheckConstraint("version > 0", name="ck_segments_version"),
    )
    op.create_table(
        "segment_states",
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("filled", sa.BigInteger(), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id", name="pk_segment_states"),
    )
    op.create_table(
        "segment_lanes",
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True)),
        sa.Column("fence", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("lane", name="pk_segment_lanes"),
    )
    # From the end of the log on: there is no segment yet that what was before could matter to.
    op.execute(
        f"""
        INSERT INTO segment_lanes (lane, xid, event_id, fence)
        SELECT lane, coalesce(last.xid, '0'), coalesce(last.id, 0), '0'
        FROM generate_series(0, {_LANES - 1}) AS lane
        LEFT JOIN LATERAL (
            SELECT xid, id FROM events WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, id DESC LIMIT 1
        ) last ON true
        """
    )
    op.create_table(
        "segment_counts",
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id", "lane", name="pk_segment_counts"),
    )
    op.create_table(
        "segment_members",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("customer_id", "segment_id", name="pk_segment_members"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_segment_members_customer_id", ondelete="CASCADE"),
    )
    op.create_index("ix_segment_members_segment", "segment_members", ["segment_id", "customer_id"])


def downgrade() -> None:
    for table in ("segment_members", "segment_counts", "segment_lanes", "segment_states", "segments"):
        op.drop_table(table)
