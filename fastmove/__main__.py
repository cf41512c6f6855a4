"""`python -m fastmove`."""

import sys

from fastmove.cli import main

sys.exit(main())
