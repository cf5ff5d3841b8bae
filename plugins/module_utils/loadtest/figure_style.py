"""How the pictures of a run look.

Every line has a style and every bar a hatch of its own, so that the pictures can be read without colour. Colours
are Okabe and Ito's, told apart by most eyes; in the page they follow its light or dark scheme.
"""

from __future__ import annotations

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#a8458b"
FORE, SOFT, LINE, BACK, SHADE = "#111827", "#6b7280", "#e5e7eb", "#ffffff", "#9ca3af"
IN_PAGE = {
    BLUE: "blue", ORANGE: "orange", GREEN: "green", VERMILION: "vermilion", PURPLE: "purple",
    FORE: "fore", SOFT: "soft", LINE: "line", BACK: "back", SHADE: "shade",
}  # fmt: skip
"""Colours and the page's variables for them."""

PHASE_STYLES = {
    "decide": (SOFT, ""), "create": (PURPLE, ".."), "schedule": (ORANGE, "//"), "fetch": (BLUE, "\\\\"),
    "load": (GREEN, "xx"), "serve": (VERMILION, "--"), "drain": (BLUE, "\\\\"), "node_gone": (ORANGE, "//"),
}  # fmt: skip

ROWS_MAX = 24
"""Bars in a picture; of more the longest are shown."""

STYLE = {
    "font.size": 9, "text.color": FORE, "axes.labelcolor": FORE, "axes.edgecolor": SOFT, "xtick.color": SOFT,
    "ytick.color": SOFT, "axes.titlesize": 9.5, "axes.titleweight": "bold", "svg.fonttype": "none",
    "hatch.linewidth": 0.6, "figure.facecolor": BACK, "axes.facecolor": "none", "legend.fontsize": 8,
}  # fmt: skip
"""Settings of matplotlib."""
