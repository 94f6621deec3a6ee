"""What things cost: asked of AWS, or told from the bundled table, and always said which."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts import aws_prices
from contracts.errors import TandemError, UsageError
from cost.account import (
    PRICE_REGION,
    Account,
    NoAnswer,
    NoCredentials,
    in_our_words,
)

LOOK_BACK = datetime.timedelta(hours=6)
_MONTH = aws_prices.HOURS_A_MONTH


@dataclass(frozen=True)
class Price:
    """A price in US dollars for an hour, and where it comes from."""

    hourly: float
    source: str


class Prices:
    """The prices of one region; each is asked for once.

    Without an account, and where AWS does not answer, the bundled table answers, and the
    price's `source` names it and its day. `causes` says why AWS was not the source.
    """

    def __init__(self, account: Account | None, region: str) -> None:
        self._account = account
        self._region = region
        self._known: dict[tuple[str, ...], Price] = {}
        self.causes: list[str] = []

    def machine(self, instance_type: str, market: str = "on-demand") -> Price:
        """Return the price of a machine; `market` is `on-demand` or `spot`.

        Raises
        ------
        UsageError
            If neither AWS nor the table knows it.
        """
        if market == "spot":
            return self._ask(
                ("spot", instance_type),
                lambda: self._spot(instance_type),
                aws_prices.spot(self._region, instance_type),
            )
        filters = {
            "instanceType": instance_type,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        return self._ask(
            ("machine", instance_type),
            lambda: self._listed("AmazonEC2", filters),
            aws_prices.on_demand(self._region, instance_type),
        )

    def disk(self, gib: float) -> Price:
        """Return the price of so many GiB of gp3 disk."""
        month = aws_prices.volume(self._region)
        filters = {"productFamily": "Storage", "volumeApiName": "gp3"}
        one = self._ask(
            ("disk",),
            lambda: self._listed("AmazonEC2", filters) / _MONTH,
            month and month / _MONTH,
        )
        return Price(one.hourly * gib, one.source)

    def stored(self, gib: float) -> Price:
        """Return the price of so many GiB in a bucket."""
        month = aws_prices.storage(self._region)
        filters = {"productFamily": "Storage", "volumeType": "Standard"}
        one = self._ask(
            ("stored",),
            lambda: self._listed("AmazonS3", filters) / _MONTH,
            month and month / _MONTH,
        )
        return Price(one.hourly * gib, one.source)

    def address(self) -> Price:
        """Return the price of a public IPv4 address, which is one price everywhere."""
        return Price(aws_prices.address(), _bundled())

    def spent_on_spot(
        self, instance_type: str, zone: str, since: datetime.datetime
    ) -> tuple[float, str]:
        """Return what a spot machine has cost since it began, and where that comes from.

        The price changes while it runs: each price counts for as long as it held.
        """
        now = datetime.datetime.now(datetime.UTC)
        try:
            history = self._history(instance_type, since, zone)
        except TandemError as error:
            self._note(error)
            history = []
        if not history:
            one = self.machine(instance_type, "spot")
            return one.hourly * _hours(since, now), one.source
        moments = [max(since, at) for at, _ in history] + [now]
        spent = sum(
            price * _hours(begin, end)
            for (_, price), begin, end in zip(history, moments, moments[1:], strict=False)
        )
        early = history[0][1] * _hours(since, moments[0])
        return spent + early, "AWS spot price history"

    def _ask(self, key: tuple[str, ...], ask: Any, bundled: float | None) -> Price:
        if key not in self._known:
            self._known[key] = self._first(key, ask, bundled)
        return self._known[key]

    def _first(self, key: tuple[str, ...], ask: Any, bundled: float | None) -> Price:
        try:
            if self._account is not None:
                told = "spot price history" if key[0] == "spot" else "price API"
                return Price(ask(), f"AWS {told}")
        except TandemError as error:
            self._note(error)
        if bundled is None:
            raise UsageError(
                f"The price of {' '.join(key)} in {self._region} is not known.",
                cause="; ".join(
                    [*self.causes, f"the bundled table of {aws_prices.as_of()} lacks it"]
                ),
                next_step="--price N names the price of a machine and hour; or log in to AWS, "
                "whose price API knows every type",
            )
        return Price(bundled, _bundled())

    def _note(self, error: TandemError) -> None:
        if isinstance(error, NoAnswer | NoCredentials):
            self._account = None  # the next question would wait in vain as well
        words = " ".join(filter(None, (error.problem, error.cause)))
        if words not in self.causes:
            self.causes.append(words)

    def _listed(self, service: str, filters: Mapping[str, str]) -> float:
        """Return the one price that AWS lists for a product, in its own unit."""
        if self._account is None:
            raise TandemError("There is no account to ask.")
        wanted = {"regionCode": self._region, **filters}
        with in_our_words("ask the price API"):
            answer = self._account.client("pricing", PRICE_REGION).get_products(
                ServiceCode=service,
                Filters=[
                    {"Type": "TERM_MATCH", "Field": field, "Value": value}
                    for field, value in wanted.items()
                ],
            )
        found = [price for text in answer["PriceList"] if (price := _dollars(text)) is not None]
        if not found:
            raise TandemError(f"The price API lists nothing for {dict(wanted)}.")
        # Storage is listed by volume stored, dearest first; small clusters pay the dearest.
        return max(found)

    def _spot(self, instance_type: str) -> float:
        """Return the newest spot price in the dearest zone of the region."""
        now = datetime.datetime.now(datetime.UTC)
        history = self._history(instance_type, now - LOOK_BACK, None)
        if not history:
            raise TandemError(f"There is no spot price of {instance_type} in {self._region}.")
        return max(price for _, price in history)

    def _history(
        self, instance_type: str, since: datetime.datetime, zone: str | None
    ) -> list[tuple[datetime.datetime, float]]:
        if self._account is None:
            raise TandemError("There is no account to ask.")
        with in_our_words("ask for spot prices"):
            pages = (
                self._account.client("ec2", self._region)
                .get_paginator("describe_spot_price_history")
                .paginate(
                    InstanceTypes=[instance_type],
                    ProductDescriptions=["Linux/UNIX"],
                    StartTime=since,
                    **({"AvailabilityZone": zone} if zone else {}),
                )
            )
            found = [
                (one["Timestamp"], float(one["SpotPrice"]))
                for one in pages.search("SpotPriceHistory")
                if one
            ]
        return sorted(found)


def _dollars(text: str) -> float | None:
    """Return the price that a product of the price list has on demand; None if none."""
    try:
        terms = json.loads(text)["terms"]["OnDemand"].values()
        prices = [
            float(dimension["pricePerUnit"]["USD"])
            for term in terms
            for dimension in term["priceDimensions"].values()
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return max(prices) if prices and max(prices) > 0 else None


def _bundled() -> str:
    return f"bundled table of {aws_prices.as_of()}"


def _hours(begin: datetime.datetime, end: datetime.datetime) -> float:
    return max(0.0, (end - begin).total_seconds() / 3600)
