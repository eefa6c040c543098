"""The scenario language: from a YAML file to the form that backends run and the monitor judges.

Vocabulary: a *scenario* has a *world*, *steps* to ``do`` (each led by its *verb*), *assumptions*,
*expectations* that are watched all along, and *checks* at the end. A *property* is a sentence about
*signals*; a signal has a *path*. A *diagnostic* is a complaint about a file.

One way through it: `source` (text with places) -> `document` (validated models) -> `compile`
(names resolved, `ir`) ; `properties` and `vocabulary` serve the sentences, `monitor` judges them on
the `events` of a run. To add a verb, add its model to `document.VERBS`, its step to `ir`, its
lowering to `compile`, and its deed to ``scenarios/executor.py``; to add a signal, add a row to
`vocabulary.SIGNALS`.
"""
