"""What deploy/image and deploy/release say of this tree."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments):
    """What git says; nothing where there is none."""
    try:
        found = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def cargo(key):
    """A value of Cargo.toml's package."""
    return re.search(rf'^{key} = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def build_time():
    """SOURCE_DATE_EPOCH, or when the commit was made, in seconds since 1970: never now."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or "0"
    return int(text) if text.isdigit() else sys.exit(f"SOURCE_DATE_EPOCH is {text!r}, not seconds")
