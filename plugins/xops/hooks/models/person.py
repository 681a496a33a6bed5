"""The person at the shell, as one who asks for a change of champion."""

from __future__ import annotations

import getpass
import socket
import uuid

from xops.hooks.models.promotions import Asker


def asker() -> Asker:
    """Give whoever runs the command; each command asks once, so its key is new."""
    return Asker(f"shell-{uuid.uuid4().hex}", 1, f"{getpass.getuser()}@{socket.gethostname()}")
