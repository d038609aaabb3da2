"""`python -m jaxrec` is `jaxrec`."""

import sys

from jaxrec.cli import main

sys.exit(main())
