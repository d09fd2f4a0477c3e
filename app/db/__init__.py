"""The way to PostgreSQL: engines, the unit of work, column types, keyset paging, migrations, the embedded server."""
