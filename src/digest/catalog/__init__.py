"""The comparisons: tools, their reviews, and two reviews side by side with the reviewers' quotes."""
