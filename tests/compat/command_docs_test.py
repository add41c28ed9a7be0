#!/usr/bin/env python3
"""docs/commands.md says what the server says of its commands (see tools/dev/command-docs)."""

import os
import subprocess
import sys

from server_process import REPOSITORY, holdfast_server

if __name__ == "__main__":
    server = holdfast_server()
    if not server:
        sys.exit("no server to test: build holdfast-server")
    sys.exit(subprocess.run([os.path.join(REPOSITORY, "tools", "dev", "command-docs"), "--check",
                             "--server", server] + sys.argv[1:]).returncode)
