"""The database of the article recommendations: articles, models, recommendations."""
