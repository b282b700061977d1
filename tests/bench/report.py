"""What was measured: rows, and how they are shown."""


class Rows:
    """Figures by section, name of the row and program; less is better in all of them."""

    def __init__(self, ours):
        self.ours = ours  # the name of the program that has budgets
        self.rows = []

    def row(self, section, what, unit=""):
        for row in self.rows:
            if (row["section"], row["what"]) == (section, what):
                return row
        self.rows.append(
            {
                "section": section, "what": what, "unit": unit,
                "budget": None, "firm": True,
                "values": {},
                "marks": {},  # in place of a value: why there is none
                "partial": {},  # what a value leaves out
                "remarks": {},
            }
        )
        return self.rows[-1]

    def note(self, section, what, client, value, budget=None, unit="", firm=True):
        """Keeps a figure; budget is the most that ours may show, firm where time has no part in it."""
        row = self.row(section, what, unit)
        if client.name == self.ours and budget is not None:
            row["budget"], row["firm"] = budget, firm
        row["values"][client.name] = value
        self.add_words(row, client)

    def mark(self, section, what, client, words, unit=""):
        row = self.row(section, what, unit)
        row["marks"][client.name] = words
        self.add_words(row, client)

    @staticmethod
    def add_words(row, client):
        for kind, table in (("partial", client.partial), ("remarks", client.remarks)):
            for what in (row["what"], None):
                words = table.get((row["section"], what))
                if words:
                    row[kind][client.name] = words

    def over(self, row):
        value = row["values"].get(self.ours)
        return row["budget"] is not None and value is not None and value > row["budget"]

    def better(self, row):
        """Names of the programs whose whole figure is below ours, the best first."""
        ours = row["values"].get(self.ours)
        found = [
            (value, name)
            for name, value in row["values"].items()
            if value is not None and ours is not None and value < ours
            and name not in row["partial"] and name not in row["marks"]
        ]
        return [name for _, name in sorted(found)]

    def exceeded(self):
        """Whether a budget is exceeded that does not depend on the machine's load."""
        return any(self.over(row) and row["firm"] for row in self.rows)

    def as_json(self):
        return [
            dict(row, over=self.over(row), better=self.better(row)) for row in self.rows
        ]


def shown(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return "%.0f" % value if value >= 1000 else "%.3g" % value


def title(row):
    return "%s: %s" % (row["section"], row["what"])


class Table:
    def __init__(self, rows, names, reasons):
        self.rows = rows
        self.names = names
        self.reasons = reasons  # by section and beginning of the row's name
        self.notes = []

    def cell(self, row, name):
        words = row["marks"].get(name)
        text = words if words else shown(row["values"].get(name))
        if name in row["partial"]:
            text = "(%s)" % text
        remark = row["partial"].get(name) or row["remarks"].get(name)
        if remark is None or text == "-":
            return text + "   "
        note = "%s: %s" % (name, remark)
        if note not in self.notes:
            self.notes.append(note)
        return text + "%-3s" % "abcdefghijklmnopqrstuvwxyz"[self.notes.index(note)]

    def flags(self, row):
        found = []
        if self.rows.over(row):
            found.append("OVER" if row["firm"] else "over (time)")
        if self.rows.better(row):
            found.append("not best")
        return ", ".join(found)

    def print(self):
        lines = [["", "unit", *(name + "   " for name in self.names), "budget", ""]]
        for row in self.rows.rows:
            lines.append(
                [
                    title(row), row["unit"], *(self.cell(row, name) for name in self.names),
                    shown(row["budget"]), self.flags(row),
                ]
            )
        widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
        for line in lines:
            cells = [
                cell.ljust(width) if n < 2 or n == len(line) - 1 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(line, widths))
            ]
            print("  ".join(cells).rstrip())
        print()
        for letter, note in zip("abcdefghijklmnopqrstuvwxyz", self.notes):
            print("%s  %s" % (letter, note))
        self.print_behind()

    def print_behind(self):
        """The rows in which another is better, and why that is."""
        behind = [row for row in self.rows.rows if self.rows.better(row)]
        if behind:
            print("\n%s is not the best in:" % self.rows.ours)
        for row in behind:
            values = row["values"]
            print(
                "  %s: %s, %s"
                % (
                    title(row), shown(values[self.rows.ours]),
                    ", ".join("%s %s" % (n, shown(values[n])) for n in self.rows.better(row)),
                )
            )
            for (section, beginning), reason in self.reasons.items():
                if section == row["section"] and row["what"].startswith(beginning):
                    print("      " + reason)
