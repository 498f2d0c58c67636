"""Embedded mode: the whole platform on one machine, with all state below one folder (`QUARTET_HOME`)."""
