"""Runs a page's blocks, in order, in one shell on a machine of its own."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from pages import ROOT

HERE = pathlib.Path(__file__).resolve().parent

# Seconds for a page.
LIMIT = 600


class Result:
    """Of one step that is a test. `why`: it failed."""

    def __init__(self, name, why, output=""):
        self.name, self.why, self.output = name, why, output


def script(page, out):
    """The page as one script. Each step leaves a file `N.ok` if it went well, and `N.out` with what it printed."""
    lines = [f"source {shlex.quote(str(HERE / 'parts'))}", "set -euo pipefail"]
    for number, step in enumerate(page.steps):
        printed = shlex.quote(str(out / f"{number}.out"))
        text = step.block.text if step.block else ""
        if step.kind == "prints":
            continue
        if step.kind == "parts":
            lines += [f"{{ part {part}; }} >>{printed} 2>&1" for part in step.argument]
        elif step.kind == "do":
            lines += ["{", step.argument, f"}} >{printed} 2>&1"]
        elif step.kind == "file":
            (out / f"{number}.file").write_text(text)
            lines += [f"cp {shlex.quote(str(out / f'{number}.file'))} {shlex.quote(step.argument)}"]
        elif step.kind == "settings":
            (out / f"{number}.toml").write_text(text)
            lines += [f"check_settings {shlex.quote(str(out / f'{number}.toml'))} >{printed} 2>&1"]
        elif step.kind == "background":
            lines += ["{", text, f"}} >{printed} 2>&1 &", "background_pid=$!", f"await {shlex.quote(step.argument)} $! >>{printed} 2>&1"]
        elif step.argument:
            lines += ["set +e", "{", text, f"}} >{printed} 2>&1", "code=$?", "set -e",
                      f'[ "$code" = {step.argument} ] || {{ echo "it ended with $code" >>{printed}; exit 1; }}']
        else:
            lines += ["{", text, f"}} >{printed} 2>&1"]
        lines.append(f"touch {shlex.quote(str(out / f'{number}.ok'))}")
    return "\n".join(lines) + "\n"


def run_page(page, binary):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="backref-docs-"))
    out = folder / "out"
    out.mkdir()
    (folder / "page").write_text(script(page, out))
    environment = {
        "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "dumb", "DOCS_FOLDER": str(folder), "DOCS_ROOT": str(ROOT),
        "DOCS_BINARY": str(binary), "DOCS_HOME": os.environ.get("HOME", "/root"),
    }
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", HERE / "machine", folder / "page"]
    try:
        with open(folder / "log", "wb") as log:
            try:
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, timeout=LIMIT, cwd=folder)
            except subprocess.TimeoutExpired:
                log.write(f"it took longer than {LIMIT} s\n".encode())
        return list(results(page, out, (folder / "log").read_text(errors="replace")))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def results(page, out, log):
    last, is_broken = "", False
    for number, step in enumerate(page.steps):
        printed = out / f"{number}.out"
        output = printed.read_text(errors="replace") if printed.exists() else ""
        name = f"{page.name}:{step.line}"
        if step.kind == "prints":
            yield Result(name, None if is_broken else missing(step.block.text, last))
            continue
        is_ok = (out / f"{number}.ok").exists()
        if step.kind in ("block", "background"):
            last = output
        if is_ok:
            if step.kind in ("block", "background", "settings"):
                yield Result(name, None, output)
        elif is_broken:
            yield Result(name, "not reached")
        else:
            is_broken = True
            yield Result(name, f"it failed:\n{indented(output + log)}", output)


def indented(text):
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-40:])


def missing(expected, printed):
    """Which line of the docs was not printed."""
    lines = [line.rstrip() for line in printed.splitlines()]
    for line in expected.rstrip("\n").splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("…")))
        if not any(pattern.fullmatch(one) for one in lines):
            return f"the docs show a line that was not printed: {line!r}; printed was:\n{indented(printed)}"
    return None
