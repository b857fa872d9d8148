"""The parts of deploy/sandbox; standard library only, because it runs before anything is installed."""
