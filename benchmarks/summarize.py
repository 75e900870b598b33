"""The means of a `summary.csv` as a row of a Markdown table: `python benchmarks/summarize.py NAME summary.csv`."""

import csv
import sys
from statistics import mean

COLUMNS = ("dice", "hd95_mm")
FIGURES = {"folding_percent": ".3f", "sdlogj": ".3f", "seconds": ".1f"}
HEADER = "| pairs | n | Dice before | Dice after | HD95 before | HD95 after | folding % | SDlogJ | seconds |"


def row(name: str, path: str) -> str:
    """Average the pairs that did not fail."""
    with open(path, newline="", encoding="utf-8") as file:
        pairs = [line for line in csv.DictReader(file) if not line["error"]]
    cells = [name, str(len(pairs))]
    for column in COLUMNS:
        for moment in ("before", "after"):
            values = [float(pair[f"{column}_{moment}"]) for pair in pairs if pair[f"{column}_{moment}"]]
            cells.append(f"{mean(values):{'.3f' if column == 'dice' else '.2f'}}")
    cells += [f"{mean(float(pair[figure]) for pair in pairs):{digits}}" for figure, digits in FIGURES.items()]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print(HEADER + "\n" + "|---" * 9 + "|")
    print(row(sys.argv[1], sys.argv[2]))
