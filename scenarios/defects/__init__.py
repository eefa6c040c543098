"""Known-bad gateways: small patches to the reference gateway that a good suite must catch.

A suite earns trust by failing what is wrong. Each file in ``known_bad/`` names one requirement and
holds the patch, ten lines at most, that breaks it: text that stands exactly once in one module of
`gateway`, and what stands there instead. Nothing in the product knows of them: a patch is planted
by an import hook in a process of its own, before the module is loaded, so a suite that runs there
sees a gateway like any other.

``python -m scenarios.defects ID COMMAND …`` runs any command of ``meterbench`` on such a gateway.
To add a defect, write a file; a test sees to it that its text stands where it says.
"""
