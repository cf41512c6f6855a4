"""`python -m fastmove`."""

import sys

from fastmove.cli.main import main

sys.exit(main())
