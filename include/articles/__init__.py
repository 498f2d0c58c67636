"""Article recommendations: events, dwell, popularity, models of similarity, lists, pages of the sites."""
