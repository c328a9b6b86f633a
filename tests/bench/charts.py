# SPDX-License-Identifier: BSD-2-Clause-Patent
"""SVG charts of the results. Each figure is a group of bars, one bar per driver; shorter is better.

The background is light or dark, as the reader's system asks. The numbers are also given in words,
in the SVG's description. A bar that would dwarf all others is cut off, visibly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Mapping, Sequence

from figures import DRIVERS, Figure, text_of

LABELS = dict(zip(DRIVERS, ("virtio-net.efi", "the firmware's driver", "iPXE's option ROM")))
COLOURS = dict(zip(DRIVERS, ("ours", "firmware", "ipxe")))  # classes in STYLE

WIDTH = 760
NAME_WIDTH = 226  # of the column that names the groups
VALUE_WIDTH = 96  # right of the longest bar, for its number
BAR, BAR_GAP, GROUP_GAP, LINE = 15, 3, 14, 16
HEAD = 86

STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 }
  .value { font-size: 12px }
  .quiet { fill: #59636e }
  .axis { stroke: #818b98 }
  .cut { stroke: #ffffff; stroke-width: 3; fill: none }
  .ours { fill: #0969da } .firmware { fill: #d4730b } .ipxe { fill: #818b98 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .cut { stroke: #0d1117 }
    .ours { fill: #4493f8 } .firmware { fill: #e09b45 } .ipxe { fill: #7d8590 }
  }
"""


@dataclass(frozen=True)
class Row:
    """A group of bars: its title, in one line or two, and the figure and device that it shows."""

    title: str
    name: str
    device: str = "modern"


@dataclass(frozen=True)
class Chart:
    file: str
    title: str
    subtitle: str
    rows: tuple[Row, ...]
    labels: Mapping[str, str] = field(default_factory=lambda: LABELS)


CHARTS = (
    Chart(
        "bench-instructions.svg",
        "Guest instructions per SNP call",
        "modern device, counted by QEMU; shorter is better",
        (
            Row("Receive, nothing there", "receive_empty"),
            Row("Receive, 64 bytes", "receive_64"),
            Row("Receive, 1,514 bytes", "receive_1514"),
            Row("Transmit, 64 bytes", "transmit_64"),
            Row("Transmit, 1,514 bytes", "transmit_1514"),
            Row("GetStatus that returns a buffer", "get_status_buffer"),
        ),
    ),
    Chart(
        "bench-accesses.svg",
        "Device accesses: each is an exit to the hypervisor",
        "reads and writes of the NIC's registers, counted by QEMU; shorter is better",
        (
            Row("TFTP, per packet, modern", "tftp_accesses"),
            Row("TFTP, per packet, legacy", "tftp_accesses", "legacy"),
            Row("Per round trip", "accesses_round_trip"),
            Row("Per sent frame, flood", "accesses_tx_flood"),
            Row("Per received frame, flood", "accesses_rx_flood"),
        ),
    ),
)


def draw(results: Sequence[Figure], folder: Path) -> list[Path]:
    """Write the charts that have figures; return their files."""
    by_key = {(each.name, each.device, each.driver): each for each in results}
    files = []
    for chart in CHARTS:
        groups = {
            row: {
                driver: by_key[row.name, row.device, driver]
                for driver in DRIVERS
                if (row.name, row.device, driver) in by_key
            }
            for row in chart.rows
        }
        groups = {row: group for row, group in groups.items() if group}
        if groups:
            files.append(folder / chart.file)
            files[-1].write_text(svg(chart, groups), encoding="utf-8")
    return files


def svg(chart: Chart, groups: Mapping[Row, Mapping[str, Figure]]) -> str:
    """The chart, with a group of bars for each row: driver -> figure."""
    limit = _limit(groups)
    parts, y = [], HEAD
    for row, group in groups.items():
        height = len(group) * (BAR + BAR_GAP) - BAR_GAP
        lines = row.title.split("\n")
        for number, line in enumerate(lines):
            middle = y + height / 2 + 4 + LINE * (number - (len(lines) - 1) / 2)
            parts.append(_text(NAME_WIDTH - 10, middle, line, 'text-anchor="end"'))
        for number, (driver, figure) in enumerate(group.items()):
            parts += _bar(driver, figure, y + number * (BAR + BAR_GAP), limit)
        y += height + GROUP_GAP
    parts.append(f'<path class="axis" d="M{NAME_WIDTH} {HEAD - 6}V{y - GROUP_GAP + 6}"/>')
    subtitle = chart.subtitle
    if any((each.value or 0) > limit for group in groups.values() for each in group.values()):
        subtitle += "; a cut bar is longer than it is drawn"
    size = f'width="{WIDTH}" height="{y + 6}" viewBox="0 0 {WIDTH} {y + 6}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(chart.title)}</title>',
        f'<desc id="d">{escape(_in_words(groups, chart.labels))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{y + 5}" rx="6"/>',
        _text(18, 30, chart.title, 'class="title"'),
        _text(18, 50, subtitle, 'class="quiet"'),
        *_legend(
            [driver for driver in DRIVERS if any(driver in group for group in groups.values())],
            chart.labels,
        ),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _limit(groups: Mapping[Row, Mapping[str, Figure]]) -> float:
    """The value at which bars end: the largest, unless it is more than twice the next driver's."""
    largest = [
        max((group[driver].value or 0 for group in groups.values() if driver in group), default=0)
        for driver in DRIVERS
    ]
    top, second, *_ = sorted(largest, reverse=True)
    return (second * 1.25 if 0 < 2 * second < top else top) or 1


def _bar(driver: str, figure: Figure, y: float, limit: float) -> list[str]:
    if figure.value is None:
        return [_text(NAME_WIDTH + 6, y + 12, "none", 'class="value quiet"')]
    room = WIDTH - NAME_WIDTH - VALUE_WIDTH
    width = max(room * min(figure.value, limit) / limit, 1)
    shape = f'x="{NAME_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR}"'
    parts = [f'<rect class="{COLOURS[driver]}" {shape}/>']
    if figure.value > limit:  # two strokes across the bar's end
        for x in (NAME_WIDTH + width - 18, NAME_WIDTH + width - 11):
            parts.append(f'<path class="cut" d="M{x:.1f} {y + BAR}l5 -{BAR}"/>')
    label = text_of(figure.value)
    return [*parts, _text(NAME_WIDTH + width + 6, y + 12, label, 'class="value"')]


def _legend(drivers: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    parts, x = [], 18
    for driver in drivers:
        label = labels[driver]
        parts.append(f'<rect class="{COLOURS[driver]}" x="{x}" y="60" width="12" height="12"/>')
        parts.append(_text(x + 18, 71, label))
        x += 42 + 7 * len(label)
    return parts


def _in_words(groups: Mapping[Row, Mapping[str, Figure]], labels: Mapping[str, str]) -> str:
    sentences = []
    for row, group in groups.items():
        values = [
            f"{labels[driver]} {'none' if each.value is None else text_of(each.value)}"
            for driver, each in group.items()
        ]
        title = row.title.replace("\n", ", ")
        sentences.append(f"{title}: {', '.join(values)}.")
    return " ".join(sentences)


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    attributes = f" {attributes}" if attributes else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'
