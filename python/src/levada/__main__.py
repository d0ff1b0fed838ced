"""``python -m levada run|check|explain|plan pipeline.py [flags]``."""

import sys

from levada._run import main

if __name__ == "__main__":
    sys.exit(main())
