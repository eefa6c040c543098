"""Tests of the task kernel and of its engines."""
