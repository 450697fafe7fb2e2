"""Looking outside: at web pages, at the DNS, at a spam filter. Bounded in time and size, and nothing is sent."""
