"""``python -m xops``."""

import sys

from xops.cli import main

sys.exit(main())
