"""``python -m benchmarks``: see ``benchmarks.run``. Imports nothing else, for worker processes begin here too."""

import sys

if __name__ == "__main__":
    from benchmarks.run import main

    sys.exit(main())
