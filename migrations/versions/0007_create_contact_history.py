"""Create contact history"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.columns import Xid8

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LIVING = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "contact_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text()),
        sa.Column("direction", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("body", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("agent", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_seconds", sa.Integer()),
        sa.Column("amount", sa.Numeric()),
        sa.Column("currency", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("external_id", sa.Text()),
        sa.Column("attributes", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("search_grams", ARRAY(sa.Text()), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "id", name="pk_contact_history"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_contact_history_customer_id", ondelete="CASCADE"),
        sa.CheckConstraint("direction IN ('inbound', 'outbound', 'internal')", name="ck_contact_history_direction"),
        sa.CheckConstraint("amount IS NULL OR currency IS NOT NULL", name="ck_contact_history_currency"),
        sa.CheckConstraint("external_id IS NULL OR source IS NOT NULL", name="ck_contact_history_source"),
        sa.CheckConstraint("version > 0", name="ck_contact_history_version"),
    )
    op.create_index("ix_contact_history_id", "contact_history", ["id"])
    op.create_index("ix_contact_history_timeline", "contact_history", ["customer_id", "occurred_at", "id"], postgresql_where=_LIVING)
    op.create_index("ix_contact_history_kind", "contact_history", ["customer_id", "kind", "occurred_at", "id"], postgresql_where=_LIVING)
    op.create_index(
        "ix_contact_history_direction",
        "contact_history",
        ["customer_id", "direction", "occurred_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL AND direction IS NOT NULL"),
    )
    op.create_index("ix_contact_history_occurred_at", "contact_history", ["occurred_at", "id"], postgresql_where=_LIVING)
    op.create_index(
        "ix_contact_history_agent",
        "contact_history",
        ["agent", "occurred_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL AND agent IS NOT NULL"),
    )
    op.create_index(
        "ix_contact_history_search_grams",
        "contact_history",
        ["search_grams"],
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL AND search_text <> ''"),
    )
    op.create_index(
        "ix_contact_history_deleted", "contact_history", ["occurred_at", "id"], postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
    op.create_table(
        "contact_history_keys",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("source", "external_id", name="pk_contact_history_keys"),
    )


def downgrade() -> None:
    op.drop_table("contact_history_keys")
    op.drop_table("contact_history")
