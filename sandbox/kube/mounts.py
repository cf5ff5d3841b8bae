"""Mounts below a folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def below(folder: Path, table: str) -> list[str]:
    """Mount points at or below the folder in a mount table's text (/proc/*/mounts), the deepest first."""
    points = []
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 2:
            continue
        # Spaces and the like are written as three octal digits.
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1])
        if point == str(folder) or point.startswith(f"{folder}/"):
            points.append(point)
    return sorted(points, key=len, reverse=True)


def unmount(folder: Path) -> int:
    """Unmounts everything at and below the folder; the number of mounts that were there."""
    points = below(folder, Path("/proc/self/mounts").read_text())
    for point in points:
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    return len(points)
