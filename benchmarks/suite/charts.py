"""Charts as SVG: lines over a logarithmic or linear axis, histograms, and bars with names. Nothing but the standard library is needed."""

import html
import math

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 28, 78, 62
COLOURS = ("#2563eb", "#94a3b8", "#d97706", "#059669")
INK, FAINT, GRID = "#0f172a", "#64748b", "#e2e8f0"
FONT = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""


def number(value):
    """Short, for the ticks of an axis."""
    for bound, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= bound:
            return f"{value / bound:.3g}{sign}"
    return f"{value:.3g}"


def linear_ticks(most):
    """From zero up, about five, at round numbers."""
    if most <= 0:
        return [0, 1]
    step = 10 ** math.floor(math.log10(most / 4))
    step = next(step * times for times in (1, 2, 2.5, 5, 10) if most / (step * times) <= 5)
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]


class Axis:
    def __init__(self, values, begin, end, logarithmic, ticks=None):
        self.begin, self.end, self.logarithmic = begin, end, logarithmic
        if logarithmic:
            low, high = min(values), max(values)
            self.ticks = ticks or [10 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        else:
            self.ticks = ticks or linear_ticks(max(values))
            low, high = 0, self.ticks[-1]
        self.low, self.high = min(low, self.ticks[0]), max(high, self.ticks[-1])
        if self.low == self.high:
            self.high = self.low * 2 or 1

    def place(self, value):
        scale = math.log10 if self.logarithmic else float
        part = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.begin + part * (self.end - self.begin)


def text(x, y, said, size=12, colour=FAINT, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" {more}>{html.escape(said)}</text>'


def frame(title, subtitle, x_label, y_label, x, y, x_names=None):
    """Everything but what is drawn in it."""
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
             text(24, 34, title, 18, INK, more='font-weight="600"'), text(24, 55, subtitle, 12)]
    for tick in y.ticks:
        at = y.place(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 10, at + 4, number(tick), anchor="end"))
    for tick in x.ticks:
        at = x.place(tick)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" stroke="{FAINT}"/>')
        parts.append(text(at, HEIGHT - BOTTOM + 20, (x_names or {}).get(tick, number(tick)), anchor="middle"))
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="{FAINT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 16, x_label, anchor="middle"))
    parts.append(text(22, (TOP + HEIGHT - BOTTOM) / 2, y_label, anchor="middle",
                      more=f'transform="rotate(-90 22 {(TOP + HEIGHT - BOTTOM) / 2:.1f})"'))
    return parts


def document(parts, said):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" {FONT}>'
    return "\n".join([head, f"<title>{html.escape(said)}</title>", *parts, "</svg>", ""])


def lines(title, subtitle, x_label, y_label, series, log_x=False, log_y=False, x_names=None):
    """`series` is a dict of names to lists of (x, y)."""
    points = [point for one in series.values() for point in one]
    places = sorted({x for x, _ in points})
    x = Axis(places, LEFT + 16, WIDTH - RIGHT - 16, log_x, places if len(places) <= 8 else None)
    y = Axis([value for _, value in points], HEIGHT - BOTTOM, TOP + 8, log_y)
    parts = frame(title, subtitle, x_label, y_label, x, y, x_names)
    legend = WIDTH - RIGHT
    for (name, one), colour in reversed(list(zip(series.items(), COLOURS))):
        path = " ".join(f"{x.place(a):.1f},{y.place(b):.1f}" for a, b in one)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-linejoin="round"/>')
        for a, b in one:
            parts.append(f'<circle cx="{x.place(a):.1f}" cy="{y.place(b):.1f}" r="4" fill="{colour}" stroke="#ffffff" stroke-width="1.5"/>')
        legend -= 7 * len(name)
        parts.append(text(legend, 55, name, 12, INK))
        parts.append(f'<circle cx="{legend - 10:.1f}" cy="51" r="4.5" fill="{colour}"/>')
        legend -= 34
    return document(parts, title)


def histogram(title, subtitle, x_label, bars, marks):
    """`bars` is a list of (upper bound, count) with bounds that grow by a factor; `marks` a dict of names to places."""
    factor = 1.25
    all_of_them = sum(count for _, count in bars) or 1
    low, high = bars[0][0] / factor, bars[-1][0]
    ticks = [times * 10 ** e for e in range(-3, 6) for times in (1, 2, 5)]
    ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    if len(ticks) > 9:
        ticks = [tick for tick in ticks if f"{tick:e}"[0] == "1"] or ticks
    x = Axis([low, high], LEFT, WIDTH - RIGHT, True, ticks or [low, high])
    x.low, x.high = low, high
    y = Axis([100 * count / all_of_them for _, count in bars], HEIGHT - BOTTOM, TOP + 22, False)
    parts = frame(title, subtitle, x_label, "percent of the jobs", x, y)
    for bound, count in bars:
        if count == 0:
            continue
        begin, end, top = x.place(bound / factor), x.place(bound), y.place(100 * count / all_of_them)
        parts.append(f'<rect x="{begin + 0.75:.1f}" y="{top:.1f}" width="{max(end - begin - 1.5, 1):.1f}" '
                     f'height="{HEIGHT - BOTTOM - top:.1f}" rx="1.5" fill="{COLOURS[0]}"/>')
    for name, value in marks.items():
        at = x.place(min(max(value, low), high))
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP + 22}" y2="{HEIGHT - BOTTOM}" stroke="{COLOURS[2]}" stroke-dasharray="4 3"/>')
        parts.append(text(at, TOP + 15, f"{name} {value:.3g} ms", 12, INK, "middle"))
    return document(parts, title)


def bars(title, subtitle, x_label, values, first):
    """`values` is a list of (name, value), longest first; the colour of the one named `first` is another one."""
    left, height = 190, (HEIGHT - BOTTOM - TOP) / len(values)
    x = Axis([value for _, value in values], left, WIDTH - RIGHT - 56, False)
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
             text(24, 34, title, 18, INK, more='font-weight="600"'), text(24, 55, subtitle, 12)]
    for tick in x.ticks:
        at = x.place(tick)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{GRID}"/>')
        parts.append(text(at, HEIGHT - BOTTOM + 20, number(tick), anchor="middle"))
    parts.append(text((left + WIDTH - RIGHT) / 2, HEIGHT - 16, x_label, anchor="middle"))
    for i, (name, value) in enumerate(values):
        top, end, colour = TOP + i * height + height * 0.18, x.place(value), COLOURS[0 if name == first else 1]
        parts.append(text(left - 12, top + height * 0.32 + 4, name, 13, INK, "end", 'font-weight="600"' if name == first else ""))
        parts.append(f'<rect x="{left}" y="{top:.1f}" width="{max(end - left, 1):.1f}" height="{height * 0.64:.1f}" rx="3" fill="{colour}"/>')
        parts.append(text(end + 8, top + height * 0.32 + 4, f"{value:,.0f}", 12, INK))
    return document(parts, title)
