"""Importing subscribers from files of other tools and of spreadsheets."""
