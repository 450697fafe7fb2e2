"""The issues: what is picked and why, when it goes out, and every state it was in."""
