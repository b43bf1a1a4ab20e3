"""`python -m fabgan` runs the `fabgan` command."""

import sys

from fabgan.cli import main

sys.exit(main())
