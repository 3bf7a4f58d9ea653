"""Relative links and their anchors, and the book's contents."""

import re
from urllib.parse import unquote

from pages import FENCE, ROOT

OTHERS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "ARCHITECTURE.md", "helm/backref/README.md",
          "helm/backref/UPGRADING.md", "tests/tools/README.md"]
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)\)")


def prose(text):
    """Lines with their numbers, without blocks, comments and code in the line."""
    ticks = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence:
            ticks = None if ticks == fence[2] else ticks or fence[2]
        elif not ticks:
            yield number, line


def anchors(path):
    """As GitHub and mdBook make them of headings, and those that stand in the text."""
    found, seen = set(), {}
    for _, line in prose(path.read_text()):
        found |= set(re.findall(r'<a (?:id|name)="([^"]+)"', line))
        if heading := re.match(r"#{1,6} (.*?)#*\s*$", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]+>", "", heading[1]))
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            again = seen.get(slug, 0)
            seen[slug] = again + 1
            found.add(f"{slug}-{again}" if again else slug)
    return found


def documents():
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / name for name in OTHERS if (ROOT / name).exists()] + docs


def check_links(count):
    known = {}
    for path in documents():
        name = path.relative_to(ROOT)
        for number, line in prose(path.read_text()):
            for target in LINK.findall(re.sub(r"`[^`]*`", lambda code: "`" * len(code[0]), line)):
                if re.match(r"[a-z]+:", target):
                    continue
                count.add(f"{name}:{number}: {target}", broken(path, target, known))


def broken(path, target, known):
    file, _, anchor = unquote(target).partition("#")
    to = (path.parent / file).resolve() if file else path
    if not to.is_relative_to(ROOT):
        return "it leads out of the repository"
    if not to.exists():
        return "there is no such file"
    if anchor:
        if to.is_dir():
            return "a folder has no anchors"
        if to not in known:
            known[to] = anchors(to)
        if anchor not in known[to]:
            return f"{to.relative_to(ROOT)} has no anchor #{anchor}"
    return None


def check_summary(count):
    """SUMMARY.md lists every page once, and nothing else."""
    docs = ROOT / "docs"
    listed = [unquote(target) for _, line in prose((docs / "SUMMARY.md").read_text()) for target in LINK.findall(line)]
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"SUMMARY.md"}
    for page in sorted(pages):
        times = listed.count(page)
        count.add(f"docs/SUMMARY.md: {page}", None if times == 1 else f"it is listed {times} times")
    for name in listed:
        if name not in pages:
            count.add(f"docs/SUMMARY.md: {name}", "there is no such page")
