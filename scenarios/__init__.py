"""The scenario language, its backends, the library of scenarios, and the command line."""
