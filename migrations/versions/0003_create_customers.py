"""Create customers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.columns import Xid8

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text()),
        sa.Column("given_name", sa.Text()),
        sa.Column("family_name", sa.Text()),
        sa.Column("organization_name", sa.Text()),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("alternate_emails", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("alternate_phones", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("birthday", sa.Date()),
        sa.Column("gender", sa.Text()),
        sa.Column("locale", sa.Text()),
        sa.Column("time_zone", sa.Text()),
        sa.Column("country", sa.Text()),
        sa.Column("addresses", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("tags", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("lifecycle_stage", sa.Text()),
        sa.Column("owner", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("external_ids", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attributes", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("contact_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_contact_at", sa.DateTime(timezone=True)),
        sa.Column("last_contact_at", sa.DateTime(timezone=True)),
        sa.Column("last_inbound_at", sa.DateTime(timezone=True)),
        sa.Column("last_outbound_at", sa.DateTime(timezone=True)),
        sa.Column("order_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("order_total", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("first_order_at", sa.DateTime(timezone=True)),
        sa.Column("last_order_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("metrics_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_updated_at", sa.DateTime(timezone=True)),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("email_key", sa.Text()),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("search_grams", ARRAY(sa.Text()), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.CheckConstraint("kind IN ('person', 'organization')", name="ck_customers_kind"),
        sa.CheckConstraint("status IN ('active', 'inactive', 'blocked')", name="ck_customers_status"),
        sa.CheckConstraint("version > 0 AND metrics_version >= 0", name="ck_customers_versions"),
    )
    op.create_index("ix_customers_created_at", "customers", ["created_at", "id"])
    op.create_index("ix_customers_updated_at", "customers", ["updated_at", "id"])
    op.create_index("ix_customers_country", "customers", ["country", "updated_at", "id"])
    op.create_index("ix_customers_owner", "customers", ["owner", "updated_at", "id"], postgresql_where=sa.text("owner IS NOT NULL"))
    op.create_index("ix_customers_email_key", "customers", ["email_key"], postgresql_where=sa.text("email_key IS NOT NULL"))
    op.create_index("ix_customers_phone", "customers", ["phone"], postgresql_where=sa.text("phone IS NOT NULL"))
    op.create_index("ix_customers_tags", "customers", ["tags"], postgresql_using="gin")
    op.create_index("ix_customers_search_grams", "customers", ["search_grams"], postgresql_using="gin")
    op.create_index("ix_customers_deleted", "customers", ["deleted_at", "id"], postgresql_where=sa.text("deleted_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("customers")
