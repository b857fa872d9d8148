"""The fault suite: every fault in a pool, a cloud and a factory of its own, and four figures that must be zero.

``make test-faults`` runs all, some at the same time, and ends with a table; the same figures are in
``faults-output/faults.json``. ``ARGS="-k throttling"`` runs those whose name fits.
"""
