"""Print `.env`: `.env.example` with a new secret for every empty value."""

import base64
import re
import secrets
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def filled(line: str) -> str:
    """Give a line of ``.env.example``, with a secret after ``NAME=``."""
    if not re.fullmatch(r"[A-Z0-9_]+=", line):
        return line
    if line == "AIRFLOW_FERNET_KEY=":
        return line + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return line + secrets.token_hex(32)


if __name__ == "__main__":
    print("\n".join(map(filled, EXAMPLE.read_text(encoding="utf-8").splitlines())))
