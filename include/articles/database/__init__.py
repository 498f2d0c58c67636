"""The database of the article recommendations: tables, schema, queries, publication of models."""
