"""What readers did with an issue: the links they followed and the ones who left from it."""
