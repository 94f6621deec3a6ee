"""Small CSV files of flights in the columns of the archive, with what is hard in them."""

import csv
from pathlib import Path

from workloads.flights.columns import KINDS

YEARS = (1990, 1991)
ROWS_A_FILE = 400
ORIGINS = ("EWR", "JFK", "LGA")


def rows(year: int) -> list[dict[str, object]]:
    """Return the flights of a year: every eleventh is cancelled, and some are hard to read.

    Tail numbers are missing in the first year and known in the next, as in the archive, and
    one airport of one month has no delay at all.
    """
    found = []
    for number in range(ROWS_A_FILE):
        month, gone = 1 + number % 12, number % 11 == 0
        origin = ORIGINS[number // 12 % 3]
        blank = gone or (month == 7 and origin == "LGA")
        row: dict[str, object] = dict.fromkeys(KINDS, "")
        row |= {
            "Year": year,
            "Month": month,
            "DayofMonth": 1 + number % 28,
            "DayOfWeek": 1 + number % 7,
            "DepTime": "NA" if gone else 600 + number,
            "CRSDepTime": 600 + number,
            "UniqueCarrier": "UA",
            "FlightNum": number * 37 % 1013,
            "TailNum": "NA" if year == YEARS[0] else f"N{number}",
            "ArrDelay": "NA" if blank else number % 90 - 20,
            "DepDelay": "NA" if blank else number % 77 - 9,
            "Origin": origin,
            "Dest": "ORD",
            "Distance": "NA" if number % 50 == 3 else 300 + number * 5,
            "Cancelled": int(gone),
            "Diverted": 0,
        }
        found.append(row)
    return found


def write(folder: Path) -> Path:
    """Write a file for each year into a new folder and return it."""
    folder.mkdir(parents=True)
    for year in YEARS:
        with open(folder / f"{year}.csv", "w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(KINDS))
            writer.writeheader()
            writer.writerows(rows(year))
    return folder
