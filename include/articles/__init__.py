"""Article recommendations: events, dwell, popularity, models of likeness, lists, the newsrooms' pages."""
