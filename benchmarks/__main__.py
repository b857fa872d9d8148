"""``python -m benchmarks``, see ``benchmarks.run``. Its imports are local, because worker processes start here too."""

import sys

if __name__ == "__main__":
    from benchmarks.run import main

    sys.exit(main())
