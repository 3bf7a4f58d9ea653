"""Pages of the documentation, read: blocks, and the comments that say how they are run."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

COMMENT = re.compile(r"^\s*<!-- (test|not run): (.*?) -->\s*$")
FENCE = re.compile(r"^(\s*)(`{3,})(\S*)\s*$")


class Wrong(Exception):
    """A page that can't be read."""


class Block:
    """What stands between two fences."""

    def __init__(self, page, line, language, text):
        self.page, self.line, self.language, self.text = page, line, language, text
        self.not_run = None

    def where(self):
        return f"{self.page.name}:{self.line}"


class Step:
    """One thing that is done for a page. `kind`: parts, do, block, background, file, settings, prints."""

    def __init__(self, kind, line, block=None, argument=None):
        self.kind, self.line, self.block, self.argument = kind, line, block, argument


def all_pages():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [page for page in pages if page.exists()] + sorted((ROOT / "docs").rglob("*.md"))


class Page:
    def __init__(self, path):
        self.path, self.name = path, str(path.relative_to(ROOT))
        self.blocks, self.steps = [], []
        self.pending = None  # the comment that is about the next block
        self.read(path.read_text().splitlines())
        if self.pending:
            raise Wrong(f"{self.name}: {self.pending[0]!r} stands before no block")

    def shell_blocks(self):
        return [block for block in self.blocks if block.language == "sh"]

    def read(self, lines):
        number = 0
        while number < len(lines):
            fence, comment = FENCE.match(lines[number]), COMMENT.match(lines[number])
            if comment:
                self.comment(number + 1, *comment.groups())
            elif fence:
                indent, ticks, language = fence.groups()
                end = number + 1
                while end < len(lines) and lines[end].strip() != ticks:
                    end += 1
                if end == len(lines):
                    raise Wrong(f"{self.name}:{number + 1}: a block that doesn't end")
                body = [line[len(indent):] if line.startswith(indent) else line for line in lines[number + 1:end]]
                self.block(Block(self, number + 1, language, "\n".join(body) + "\n"))
                number = end
            number += 1

    def comment(self, line, kind, text):
        if self.pending:
            raise Wrong(f"{self.name}:{line}: {self.pending[0]!r} is not followed by a block")
        if kind == "not run":
            self.pending = ("not run", text)
        elif text.startswith("do "):
            self.steps.append(Step("do", line, argument=text[3:]))
        elif found := re.fullmatch(r"keeps running until (\S+)", text):
            self.pending = ("background", found[1])
        elif found := re.fullmatch(r"exit (\d+)", text):
            self.pending = ("exit", int(found[1]))
        elif text == "prints":
            self.pending = ("prints", None)
        elif found := re.fullmatch(r"file (\S+)", text):
            self.pending = ("file", found[1])
        elif re.fullmatch(r"[a-z0-9-]+( [a-z0-9-]+)*", text):
            self.steps.append(Step("parts", line, argument=text.split()))
        else:
            raise Wrong(f"{self.name}:{line}: `{text}` says nothing that the test knows")

    def block(self, block):
        kind, argument = self.pending or (None, None)
        self.pending = None
        self.blocks.append(block)
        if not block.language:
            raise Wrong(f"{block.where()}: a block without a language: sh is run, text is for reading")
        if block.language in ("bash", "shell", "console"):
            raise Wrong(f"{block.where()}: write commands as `sh`, which is run")
        if kind in ("background", "exit", "not run") and block.language != "sh":
            raise Wrong(f"{block.where()}: only blocks of `sh` are run")
        if kind == "not run":
            block.not_run = argument
        elif kind == "background":
            self.steps.append(Step("background", block.line, block, argument))
        elif kind == "file":
            self.steps.append(Step("file", block.line, block, argument))
        elif kind == "prints":
            self.steps.append(Step("prints", block.line, block))
        elif block.language == "sh":
            self.steps.append(Step("block", block.line, block, argument or 0))
        elif block.language == "toml":
            self.steps.append(Step("settings", block.line, block))
