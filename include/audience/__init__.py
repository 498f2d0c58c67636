"""Audience labeling: rules, matching, windows, cleaning, figures, the publication of panels."""
