"""``python -m eegexplain``."""

import sys

from eegexplain.cli import main

sys.exit(main())
