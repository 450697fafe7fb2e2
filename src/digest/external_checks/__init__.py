"""Checks that ask the network: links, a sender's DNS records, and a spam score. No tables, no product words."""
