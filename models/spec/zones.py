"""Time zones of a spec."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from models.spec.base import Allowed


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception as error:
        raise ValueError(f"expected an IANA time zone such as UTC or Asia/Shanghai; found {value!r}") from error
    return value


Zone = Annotated[str, AfterValidator(_check_zone), Allowed("an IANA time zone")]
