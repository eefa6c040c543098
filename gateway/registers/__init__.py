"""The register image: meter records in, immutable snapshots of 16-bit registers out (manual 6.2).

`entries` has what is published, `layout` how it becomes registers, `image.build` makes the
snapshot that the Modbus server slices, `allocation` gives out addresses and finds duplicates. The
two meet in `placement.survey`, which decides whom a register belongs to.
"""
