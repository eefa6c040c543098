"""The register map as one file: which field stands where, in which type and order.

`model` has the map and its two spellings, `listed` makes it from a meter list, `live` from a
gateway on the network, `differences` compares two.
"""
