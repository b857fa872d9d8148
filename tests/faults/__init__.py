"""The fault suite: each fault strikes a pool, a cloud and a factory of its own; four figures must be zero.

``make test-faults`` runs all scenarios, some in parallel, and prints a table; the same figures are in
``faults-output/faults.json``. ``ARGS="-k throttling"`` selects scenarios by name.
"""
