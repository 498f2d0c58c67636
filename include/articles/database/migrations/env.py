"""Entry point of Alembic: runs the migrations in the transaction of the given connection."""

from alembic import context

from include.articles.database.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
