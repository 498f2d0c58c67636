"""The song plays API."""
