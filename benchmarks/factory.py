"""``python -m benchmarks.factory CONF``: run a factory on demand, to measure its memory.

It reads numbers from standard input, runs that many rounds, and then prints the seconds per round. All imports are
local, as in the installed command, because each worker process imports this module again.
"""


def main() -> None:
    """Run rounds on demand until standard input ends."""
    import sys
    import time
    from pathlib import Path

    import factory.service.daemon  # noqa: F401  the service imports it, so its memory counts
    from factory.config import load
    from factory.process.workers import Workers
    from factory.service.rounds import Rounds
    from factory.state.directory import StateDir

    config = load([Path(sys.argv[1])])
    statedir = StateDir(config.factory.statedir, config.factory.id)
    statedir.open()
    lock = statedir.lock()
    workers = Workers(statedir.workers_lock)
    rounds = Rounds(config, workers, statedir, f"{time.time():.3f} bench 1", (lock,))
    names = {queue.name for queue in config.all_queues}
    try:
        for line in sys.stdin:
            started = time.monotonic()
            for _ in range(int(line)):
                rounds.run(names)
            print(f"{(time.monotonic() - started) / int(line):.3f}", flush=True)
    finally:
        rounds.stop()
        workers.stop()


if __name__ == "__main__":
    main()
