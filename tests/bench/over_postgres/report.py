"""What is said while it is measured, and the tables that are printed."""

import sys

from over_postgres import run


def say(text: str):
    print(text, file=sys.stderr, flush=True)


def keep(results: dict, name: str, values: dict):
    for figure, value in values.items():
        results.setdefault(name, {}).setdefault(figure, []).append(value)


def print_rows(head: list, rows: list):
    print("\n| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    sys.stdout.flush()


def print_medians(results: dict):
    """`results`: column -> figure -> list of values, one per round."""
    medians = run.medians(results)
    figures = next(iter(medians.values()))
    print_rows(["figure", *medians], [[figure, *(values[figure] for values in medians.values())] for figure in figures])

