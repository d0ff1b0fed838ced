"""The steps that both pipelines have in Python, and the one that was rewritten in Go."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import TypedDict

from levada import Message

EARTH_RADIUS_KM = 6371.0088

HERE = {"lat": 34.05, "lon": -118.24}
"""The point that distances are measured to: Los Angeles."""


class Properties(TypedDict):
    mag: float | None
    place: str
    time: int


class Geometry(TypedDict):
    coordinates: list[float]


class Feature(TypedDict):
    """What the pipeline reads of a GeoJSON feature; other members are dropped."""

    id: str
    properties: Properties
    geometry: Geometry


class Quake(TypedDict):
    id: str
    level: str
    mag: float
    place: str
    time: int
    lat: float
    lon: float
    depth_km: float


class MeasuredQuake(TypedDict):
    id: str
    level: str
    mag: float
    place: str
    time: int
    lat: float
    lon: float
    depth_km: float
    distance_km: float
    energy_joules: float


def known(msg: Message[Feature]) -> bool:
    """Only events whose magnitude has been determined."""
    return msg.payload["properties"]["mag"] is not None


def classify(msg: Message[Feature]) -> Quake:
    """Flattens a feature and gives it an alert level by its magnitude."""
    feature = msg.payload
    properties = feature["properties"]
    mag = properties["mag"]
    if mag is None:
        raise ValueError(f"{feature['id']}: expected a magnitude, got none")
    lon, lat, depth = feature["geometry"]["coordinates"]
    return {
        "id": feature["id"],
        "level": "strong" if mag >= 4.5 else "light" if mag >= 2 else "minor",
        "mag": mag,
        "place": properties["place"],
        "time": properties["time"],
        "lat": lat,
        "lon": lon,
        "depth_km": depth,
    }


def measure(msg: Message[Quake]) -> MeasuredQuake:
    """Adds the distance to HERE and the energy that a quake has radiated.

    quake_steps/measure.go is this function in Go. Results are rounded, since the math
    libraries of two languages may differ in the last bit: the distance to meters, the
    energy to three decimals of its power of ten.
    """
    quake = msg.payload
    lat, here = radians(quake["lat"]), radians(HERE["lat"])
    a = sin((lat - here) / 2) ** 2
    b = sin(radians(quake["lon"] - HERE["lon"]) / 2) ** 2
    distance = 2 * EARTH_RADIUS_KM * asin(sqrt(a + cos(here) * cos(lat) * b))
    energy = 10 ** (4.8 + 1.5 * quake["mag"])
    return {
        "id": quake["id"],
        "level": quake["level"],
        "mag": quake["mag"],
        "place": quake["place"],
        "time": quake["time"],
        "lat": quake["lat"],
        "lon": quake["lon"],
        "depth_km": quake["depth_km"],
        "distance_km": round(distance * 1000) / 1000,
        "energy_joules": float(f"{energy:.3e}"),
    }


def level(msg: Message[MeasuredQuake]) -> str:
    """The branch that a quake takes."""
    return msg.payload["level"]
