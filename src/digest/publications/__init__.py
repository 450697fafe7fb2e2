"""A newsletter with its own name, sender, calendar and selection rule: what readers subscribe to."""
