"""The comparisons: tools, their reviews, and two reviews side by side with what each reviewer said."""
