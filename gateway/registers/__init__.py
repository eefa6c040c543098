"""The register image: meter records in, immutable snapshots of 16-bit registers out (manual 6.2)."""
