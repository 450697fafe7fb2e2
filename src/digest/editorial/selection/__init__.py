"""Which comparisons make an issue: the candidates, their ranking, and the reason shown for each."""
