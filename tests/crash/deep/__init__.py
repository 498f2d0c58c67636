"""Faults below Python: of system calls of real processes, and of connections to a database."""
