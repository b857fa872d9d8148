"""Worker processes and what runs in or around them: deadlines, the steady clock, HTTP calls, plugin faults.

This room stays lean: a worker that imports it imports neither pydantic nor numpy.
"""
