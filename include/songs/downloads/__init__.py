"""Downloads of the sources: their remote addresses, their way into storage, the versions that were downloaded."""
