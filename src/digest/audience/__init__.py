"""The readers: who signed up, what they agreed to, how they leave, and who may be mailed."""
