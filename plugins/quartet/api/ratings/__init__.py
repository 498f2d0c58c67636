"""The movie ratings API."""
