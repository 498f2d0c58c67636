"""The web apps, one a workflow, and what they share."""
