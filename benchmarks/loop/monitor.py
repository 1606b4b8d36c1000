"""The monitor's verdict on a day of the loop, from the served log and the outcomes that came back."""

from benchmarks.loop.product import LoopProduct
from benchmarks.ten_days import ROOT
from components.joined import log_of
from components.services import Services
from models.clock import now
from monitoring.judged_days import judge_days
from monitoring.verdict import Verdict


class Monitor:
    """Judges the days as the component ``monitor`` does, without its pages and without a pipeline run for each."""

    def __init__(self, product: LoopProduct) -> None:
        self._product = product
        self._services = Services.embedded("", product.state, ROOT / "feature_repo" / "feature_store.yaml")

    def judge(self) -> Verdict:
        """Judge the newest day whose outcomes have settled; the verdict is kept where `act` reads it."""
        product, services = self._product, self._services
        log = log_of(product.spec, services, product.registry, product.tables())
        roles = product.roles()
        return judge_days(product.spec, services.storage, log.join, log.first, roles, now(), log.shifts).verdict
