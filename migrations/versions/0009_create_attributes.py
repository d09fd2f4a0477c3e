"""Create attributes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attributes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("choices", ARRAY(sa.Text())),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("indexed", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_attributes"),
        sa.CheckConstraint(
            "type IN ('string', 'integer', 'number', 'boolean', 'date', 'timestamp', 'enum', 'string_list')", name="ck_attributes_type"
        ),
        sa.CheckConstraint("(type = 'enum') = (choices IS NOT NULL)", name="ck_attributes_choices"),
        sa.CheckConstraint("version > 0", name="ck_attributes_version"),
    )
    op.create_table(
        "attribute_edition",
        sa.Column("is_only", sa.Boolean(), nullable=False),
        sa.Column("edition", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("is_only", name="pk_attribute_edition"),
        sa.CheckConstraint("is_only", name="ck_attribute_edition_is_only"),
    )


def downgrade() -> None:
    op.drop_table("attribute_edition")
    op.drop_table("attributes")
