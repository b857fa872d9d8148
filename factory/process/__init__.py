"""Worker processes and what runs in or around them: pools, deadlines, the steady clock, one HTTP call, faults.

It stays lean: a worker that imports this room imports neither pydantic nor numpy.
"""
