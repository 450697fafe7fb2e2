"""What readers did with an issue: the links they followed and which of them unsubscribed."""
