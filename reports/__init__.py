"""Verdicts, run records and their renderings; opens no connection."""
