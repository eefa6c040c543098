"""Tests of the shells: files, lines, servers."""
