"""What digest costs, each figure beside its reference in the same run: `make bench`, `make bench ONLY=send`."""
