"""What was not read of a source, told by kind; what a file is that cannot be read at all."""

import collections
import os
import re

from tf2gan.utils.messages import listed, say, shown

HELP = {  # suffix: what reads it, or what to do
    **dict.fromkeys((".heic", ".heif", ".hif"), "pip install pillow-heif"),
    ".avif": "pip install pillow-avif-plugin",
    ".jxl": "pip install pillow-jxl-plugin",
    ".svg": "a drawing: save it as .png",
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "raw: save it as .jpg"
    ),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "a video: save its frames"),
    **dict.fromkeys((".part", ".crdownload", ".download", ".partial"), "an incomplete download"),
    ".mdb": "LMDB: save its pictures in a folder",
}
POINTER = b"version https://git-lfs"
PAGE = re.compile(rb"\s*(<!doctype html|<html|<head)", re.I)


def tell_left_out(entries, lost=()):
    """Says, on one line, how many entries of a source were not read, by kind.

    Args:
      entries: all of the source.
      lost: names of links that lead nowhere.
    """
    counts = collections.Counter(
        _suffix(entry) or "without a suffix" for entry in entries if not entry.used
    )
    told = [
        f"{count} {shown(kind)}" + (f" ({HELP[kind]})" if kind in HELP else "")
        for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    if lost:
        told.append(f"{len(lost)} links that lead nowhere ({listed(lost, 2)})")
    if told:
        say(f"left out: {', '.join(told)}")


def what_is_wrong(head):
    """What a content is that should be a picture or a data set, or None."""
    if head.startswith(POINTER):
        return "a Git LFS pointer: run git lfs pull"
    if PAGE.match(head):
        return "a web page: the download asked for something; open its address in a browser"
    return None if head.strip(b"\0 \r\n") else "empty"


def what_it_is(entries):
    """What keeps a source from being read, in words that follow its name; None where unknown."""
    suffixes = {_suffix(entry) for entry in entries}
    if len(suffixes) == 1 and (help := HELP.get(suffix := suffixes.pop())):
        return f"holds {len(entries)} {suffix}, and nothing else ({help})"
    wrong = {what_is_wrong(entry.head) for entry in entries[:100]}
    if len(wrong) == 1 and (what := wrong.pop()):
        return f"is {what}" if len(entries) == 1 else f"holds {len(entries)} files, each {what}"
    return None


def _suffix(entry):
    return os.path.splitext(entry.base)[1].lower()
