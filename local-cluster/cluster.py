"""The local cluster's command: `python3 local-cluster/cluster.py --help`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # said here, since the imports below would fail with something obscure
    sys.exit(f"error: the local cluster needs Python 3.11 or later; this is {sys.version.split()[0]}")

from localcluster.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
