"""Issues: how they are selected, drafted, checked and scheduled, and every state they pass through."""
