"""The benchmarks of docs/measures.md: one module for each measure, one for the method they share.

They run by ``tox -e measure`` beside their peers, print figures and never gate anything: these
machines are shared, and a time that fails a build teaches people to ignore builds.
"""
