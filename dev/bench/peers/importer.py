"""The rules of the dataset in plain Python, as an importer written by hand has them."""

import re
from datetime import datetime, timedelta, timezone

NAIROBI = timezone(timedelta(hours=3))
NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+")
TRUE = {"true", "t", "1", "yes"}
WHITE_SPACE = re.compile(r"\s+")
SEPARATORS = re.compile(r"[\s_-]+")


class Rules:
    """Filter and normalisation, from the bench's plan."""

    def __init__(self, plan):
        self.columns = list(plan["columns"])
        self.sentinel = plan["sentinel"]
        self.alarm = plan["alarm"]
        self.key = plan["key"]
        self.weeks = [name for name, column in plan["columns"].items() if column["type"] == "date"]
        self.times = [name for name, column in plan["columns"].items() if column["type"] == "timestamptz"]
        self.canonical = {}
        for name, column in plan["columns"].items():
            if "canonical" in column:
                gaps = SEPARATORS if column["canonical"]["separators"] else WHITE_SPACE
                values = {value.lower(): value for value in column["canonical"]["values"]}
                self.canonical[name] = (gaps, values, {})

    def is_kept(self, row):
        return not row[self.key].startswith(self.sentinel) and row[self.alarm].lower() not in TRUE

    def normalise(self, row):
        """The row with the dataset's columns only; empty cells are None."""
        result = {name: row[name] or None for name in self.columns}
        result[self.key] = row[self.key].strip()
        for name, (gaps, values, memo) in self.canonical.items():
            text = result[name]
            if text is None:
                continue
            if text not in memo:
                known = values.get(gaps.sub(" ", text).strip().lower())
                memo[text] = known or WHITE_SPACE.sub(" ", text).strip()
            result[name] = memo[text]
        for name in self.weeks:
            text = result[name]
            if text is not None and len(text) > 10:
                instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
                result[name] = instant.astimezone(NAIROBI).date().isoformat()
        return result

    def normalise_with_zone(self, row):
        """The same, for tools that would take a time without a zone for one of UTC."""
        result = self.normalise(row)
        for name in self.times:
            text = result[name]
            if text is not None and NAIVE.fullmatch(text):
                result[name] = text + "+03:00"
        return result
