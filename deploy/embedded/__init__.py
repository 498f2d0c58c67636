"""The embedded mode: the whole platform on one machine, all state below one folder (`QUARTET_HOME`)."""
