"""The cases of the suite, one module for each part of the manual."""
