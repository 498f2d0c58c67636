"""Preparation of the articles workflow."""

from deploy.production.reach import reach


def articles_database() -> None:
    """Create or migrate the tables of the article recommendations."""
    from include.articles.database import schema
    from quartet.hooks.database import DatabaseHook

    hook = DatabaseHook("quartet_articles")
    reach(hook.url)
    with hook.engine() as engine:
        schema.upgrade(engine)


STEPS = {"articles database": articles_database}
