"""The web apps, one per workflow, and the code that they share."""
