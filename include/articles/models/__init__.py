"""From interactions to recommendation lists: the matrix, the defaults, the models of related articles, the ranking."""
