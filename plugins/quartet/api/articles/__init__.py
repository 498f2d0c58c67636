"""The article recommendations API."""
