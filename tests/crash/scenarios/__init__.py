"""The main path of each workflow, for the harness."""
