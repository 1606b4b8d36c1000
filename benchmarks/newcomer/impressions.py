"""A shop's feed: slates of six products, what was clicked, and what was bought after the click. CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.newcomer.taste import happens, moments, sized, tastes

START, DAYS, SLATE = "2026-01-05", 49, 6


def write(folder: Path, draw: np.random.Generator, share: float) -> None:
    """Write ``shown.csv``, ``shoppers.csv``, ``products.csv`` and ``prices.csv``."""
    shoppers, products, slates = sized(260, share), sized(240, share), sized(2_800, share)
    world = tastes(draw, shoppers, products)
    price = np.round(np.exp(draw.normal(3, 0.6, products)), 2)
    sale = draw.random(products) < 0.3  # these cost less from the fourth week on
    time = moments(draw, START, DAYS, slates).repeat(SLATE)
    member = np.repeat(draw.integers(0, shoppers, slates), SLATE)
    item = np.concatenate([draw.choice(products, SLATE, replace=False) for _ in range(slates)])
    phone = np.repeat(draw.random(slates) < 0.6, SLATE)
    cut = pd.Timestamp(START, tz="UTC") + pd.Timedelta(days=21)
    paid = np.where(sale[item] & (time >= cut), 0.7, 1.0) * price[item]
    expensive = 0.5 * (np.log(paid) - 3)
    clicked = happens(
        draw, -1.9 + world.match(member, item) + world.leaning[member] + world.appeal[item] - 0.4 * phone - expensive
    )
    bought = clicked & happens(draw, -0.6 + 0.5 * world.match(member, item) - 2 * expensive + 0.5 * ~phone)
    stay = pd.to_timedelta(np.where(clicked, draw.integers(5, 900, len(item)), 7_200), unit="s")
    shown = pd.DataFrame(
        {
            "id": np.arange(len(item)) + 1,
            "shown_at": time.strftime("%Y-%m-%d %H:%M:%S"),  # UTC, without saying so
            "closed_at": (time + stay).strftime("%Y-%m-%d %H:%M:%S"),
            "shopper": member + 1,
            "product": [f"P{number:05d}" for number in item],
            "device": np.where(phone, "phone", "desktop"),
            "event": np.where(bought, "purchase", np.where(clicked, "click", "none")),
        }
    )
    shown.to_csv(folder / "shown.csv", index=False)
    _write_sides(folder, draw, world.topic, np.argmax(world.liking, axis=1))
    prices = pd.DataFrame({"product": [f"P{number:05d}" for number in range(products)], "since": START, "price": price})
    later = prices[sale].assign(since=cut.date().isoformat(), price=np.round(0.7 * price[sale], 2))
    prices = prices.assign(since="2026-01-01")
    pd.concat([prices, later]).to_csv(folder / "prices.csv", index=False)


def _write_sides(folder: Path, draw: np.random.Generator, topic: np.ndarray, favorite: np.ndarray) -> None:
    """Write what is known of shoppers and products: a hint of the favorite department, and the product's own."""
    departments = np.array(["garden", "kitchen", "sports", "toys", "books", "music"])
    told = np.where(draw.random(len(favorite)) < 0.5, departments[favorite], "")
    shoppers = pd.DataFrame({"shopper": np.arange(len(favorite)) + 1, "likes_department": told})
    shoppers["registered"] = "2025-12-01"
    shoppers.to_csv(folder / "shoppers.csv", index=False)
    products = pd.DataFrame({"product": [f"P{number:05d}" for number in range(len(topic))]})
    products["department"], products["brand"] = departments[topic], 10 * topic + draw.integers(0, 5, len(topic))
    products["listed"] = "2025-12-01"
    products.to_csv(folder / "products.csv", index=False)
