"""The page at /ui, in a real Chromium, against a real server process."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from serving.settings.limits import Limits
from tests.serving.running import RunningServer, broken_store, logged_lines, running_server, wait_until
from tests.serving.world import World

pytestmark = pytest.mark.long(25)

TOKEN = "sesame-of-thirty-two-characters."
MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(world, tmp_path_factory.mktemp("ui"), Limits(explained=9)) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; anything it throws or logs as an error fails the test."""
    page = browser.new_page()
    failures: list[str] = []
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if "Content Security" in message.text else None)
    yield page
    page.close()
    assert not failures


def send(server: RunningServer, world: World, member: int, items: list[int]) -> Any:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=world.as_of + 5_000_000)
    context = {"surface": "email", "time": moment.isoformat(), "device": "phone"}
    instance = {"member": member, "items": items, "context": context, "explain": True}
    with server.client() as client:
        response = client.post(f"/v1/models/{world.name}:predict", json={"instances": [instance]})
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0]


def test_a_recent_members_slate_is_shown_with_its_reasons(
    server: RunningServer, world: World, page: Page, tmp_path: Path
) -> None:
    member, items = world.keys("member")[2], world.keys("item")[:4]
    response = send(server, world, member, items)
    wait_until(lambda: logged_lines(Path(server.settings.served)))
    page.goto(f"{server.url}/ui")
    page.select_option("#latest", label=str(member))
    candidates = page.locator("#slate > li")
    expect(candidates).to_have_count(4)
    for place, candidate in enumerate(response["slate"]):
        shown = candidates.nth(place)
        expect(shown.locator(".item")).to_have_text(str(candidate["item"]))
        expect(shown.locator(".primary .value")).to_have_text(f"{100 * candidate['probabilities']['click']:.2f} %")
        expect(shown.locator(".score .value")).to_have_text(f"{candidate['score']:.4f}")
        effects = [f"{'+' if r['effect'] > 0 else '−'}{abs(100 * r['effect']):.2f} pts" for r in candidate["reasons"]]
        assert len(effects) > 3
        expect(shown.locator(".effect .value")).to_have_text(effects)
        activity = next(reason for reason in candidate["reasons"] if reason["kind"] == "activity")
        named = f"{activity['action']} {activity['node']} {activity['key']}"
        expect(shown.locator(".effect .text").filter(has_text=named).first).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("Member's state5 seconds old")
    expect(page.locator("#facts")).to_contain_text(f"Model version{world.version}")
    expect(page.locator("#legend")).to_contain_text("Ranked by click")
    expect(page.locator("#fallback")).to_be_hidden()
    page.screenshot(path=tmp_path / "page.png", full_page=True)  # for a person to look at


def test_an_unknown_member_is_ranked_cold(server: RunningServer, page: Page) -> None:
    page.goto(f"{server.url}/ui")
    page.fill("#member", "-77")
    page.fill("#items", "-1\n\n -2 \n")
    page.click("#rank")
    expect(page.locator("#slate .flag")).to_have_text(["cold", "cold"])
    expect(page.locator("#facts")).to_contain_text("-77 (cold)")
    expect(page.locator("#facts")).to_contain_text("no vectors")


def test_too_many_items_to_explain_are_ranked_without_reasons(server: RunningServer, world: World, page: Page) -> None:
    page.goto(f"{server.url}/ui")
    page.fill("#member", str(world.keys("member")[0]))
    page.fill("#items", "\n".join(map(str, [*world.keys("item"), -1])))
    page.click("#rank")
    expect(page.locator("#slate > li")).to_have_count(10)
    expect(page.locator(".effect")).to_have_count(0)
    expect(page.locator("#facts")).to_contain_text("of up to 9 items")


def test_keys_that_javascript_would_round_are_requested_and_shown_as_they_are(
    server: RunningServer, page: Page
) -> None:
    member, items = "9007199254740993", ["9223372036854775807", "9223372036854775806", "-9223372036854775808"]
    page.goto(f"{server.url}/ui")
    page.fill("#member", member)
    page.fill("#items", "\n".join(items))
    with page.expect_response("**/v1/models/**"):
        page.click("#rank")
    expect(page.locator("#facts")).to_contain_text(f"Member{member} (cold)")
    shown = page.locator("#slate .item")
    expect(shown).to_have_count(3)
    assert sorted(shown.all_text_contents()) == sorted(items)
    served = Path(server.settings.served)
    logged = wait_until(lambda: [one for one in logged_lines(served) if str(one["member"]) == member])
    assert sorted(str(one["item"]) for one in logged) == sorted(items)
    page.goto(f"{server.url}/ui")  # and they are offered again from the served log
    page.select_option("#latest", label=member)
    expect(page.locator("#facts")).to_contain_text(f"Member{member} (cold)")
    assert sorted(page.locator("#items").input_value().split()) == sorted(items)


def test_an_invalid_request_is_explained(server: RunningServer, page: Page) -> None:
    page.goto(f"{server.url}/ui")
    page.fill("#member", "007")
    page.fill("#items", "1")
    page.click("#rank")
    expect(page.locator("#error")).to_contain_text("member: expected a whole number of 64 bits")
    page.fill("#member", "1")
    page.fill("#items", "1\n1")
    page.click("#rank")
    expect(page.locator("#error")).to_contain_text("expected each item once")
    page.fill("#items", "1")
    page.click("#rank")
    expect(page.locator("#error")).to_be_hidden()


def test_a_slate_by_popularity_is_marked(server: RunningServer, world: World, page: Page) -> None:
    page.goto(f"{server.url}/ui")
    page.fill("#member", str(world.keys("member")[0]))
    page.fill("#items", str(world.keys("item")[0]))
    with broken_store(world):
        page.click("#rank")
        expect(page.locator("#fallback")).to_be_visible()
    page.click("#rank")
    expect(page.locator("#fallback")).to_be_hidden()


def test_a_server_that_fails_is_reported_in_a_sentence(server: RunningServer, world: World, page: Page) -> None:
    page.goto(f"{server.url}/ui")
    page.fill("#member", str(world.keys("member")[0]))
    page.click("#rank")
    expect(page.locator("#slate > li")).to_have_count(len(world.keys("item")))
    page.route("**/v1/models/**", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.click("#rank")
    expect(page.locator("#error")).to_have_text("The server answered with status 502.")
    expect(page.locator("#slate > li")).to_have_count(0)
    page.route("**/v1/models/**", lambda route: route.abort())
    page.click("#rank")
    expect(page.locator("#error")).to_have_text("The server cannot be reached.")


def test_a_response_to_an_earlier_request_is_not_shown(server: RunningServer, world: World, page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/v1/models/**", hold)
    page.goto(f"{server.url}/ui")
    page.evaluate("""() => {
        const facts = document.getElementById("facts");
        window.shown = [];
        new MutationObserver(() => window.shown.push(facts.textContent)).observe(facts, {childList: true});
    }""")
    first, second, third = (str(member) for member in world.keys("member")[:3])
    for member in (first, second):
        page.fill("#member", member)
        page.evaluate("document.getElementById('request').requestSubmit()")  # as picking a member does
    expect(page.locator("#facts")).to_contain_text(f"Member{second}")
    with page.expect_response("**/v1/models/**") as late:
        held[0].continue_()
    late.value.finished()
    page.fill("#member", third)
    page.click("#rank")
    expect(page.locator("#facts")).to_contain_text(f"Member{third}")
    assert [text.partition("Model")[0] for text in page.evaluate("window.shown")] == [
        f"Member{second}",
        f"Member{third}",
    ]


def test_a_narrow_window_cuts_nothing_off(server: RunningServer, world: World, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto(f"{server.url}/ui")
    page.fill("#member", str(world.keys("member")[0]))
    page.click("#rank")
    expect(page.locator(".effect").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_markup_in_a_key_is_shown_as_text(server: RunningServer, page: Page) -> None:
    """Keys come from a product's tables: nothing in them may become part of the page."""
    reasons = [
        {"kind": "activity", "action": MARKUP, "domain": MARKUP, "node": MARKUP, "key": MARKUP, "effect": 0.1}
        | {"time": "2026-01-01T00:00:00Z"},
        {"kind": "neighbour", "node": "n", "key": MARKUP, "member_path": [MARKUP], "item_path": [], "effect": -0.1},
        {"kind": "counter", "counter": MARKUP, "effect": 0.2},
        {"kind": "context", "feature": MARKUP, "effect": 0.1},
    ]
    slate = [{"item": MARKUP, "cold": False, "capped": True, "probabilities": {MARKUP: 0.5}, "reasons": reasons}]
    slate[0] |= {"score": 0.25, "adjustments": [{"rule": MARKUP}, {"rule": "seen_discount", "factor": MARKUP}]}
    slate[0]["adjustments"][-1] |= {"action": MARKUP, "time": "2026-01-01T00:00:00Z"}  # type: ignore[index]
    response = {"member": MARKUP, "model_version": MARKUP, "request_id": MARKUP, "fallback": False, "slate": slate}
    response["stale"] = ["member_vectors", MARKUP]
    offered = {"name": MARKUP, "primary": MARKUP, "tasks": [MARKUP], "surfaces": [MARKUP], "most": 5}
    offered["item_node"] = MARKUP
    offered["context"] = [{"name": MARKUP, "kind": "category"}]
    offered["candidates"] = [{"name": MARKUP, "kind": "category"}]
    recent: dict[str, Any] = {"member": MARKUP, "items": [MARKUP], "surface": MARKUP, "time": None, "context": {}}
    recent["candidates"] = {MARKUP: [MARKUP]}
    responses: dict[str, Any] = {
        "**/ui/offers": {**offered, "latest": [recent], "popular": [MARKUP]},
        "**/v1/models/**": {"predictions": [response]},
    }
    for address, document in responses.items():
        page.route(address, partial(_fulfil, document))
    page.goto(f"{server.url}/ui")
    with page.expect_request("**/v1/models/**") as sent:
        page.select_option("#latest", "0")
    assert json.loads(sent.value.post_data or "")["instances"][0]["candidates"] == {MARKUP: [MARKUP]}
    expect(page.locator("#slate .item")).to_have_text(MARKUP)
    expect(page.locator("#facts")).to_contain_text(f"Too oldmember vectors, {MARKUP}")
    expect(page.locator(".effect .text").first).to_contain_text(MARKUP)
    expect(page.locator("#slate .flag")).to_have_text(["capped", MARKUP, f"seen × {MARKUP}"])
    expect(page.locator("#slate .score .value")).to_have_text("0.2500")
    assert page.locator("img, main script").count() == 0
    assert page.title() == "Heliograph: a slate and its reasons"


def test_the_page_requests_the_token_and_with_an_empty_log_for_a_member(
    world: World, tmp_path: Path, page: Page
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with running_server(world, tmp_path, Limits(), token_file=str(tmp_path / "token")) as server:
        assert httpx.get(f"{server.url}/ui/offers", trust_env=False).status_code == 401
        page.goto(f"{server.url}/ui")
        expect(page.locator("#request")).to_be_hidden()
        page.fill("#token", "not the token of this server")
        page.press("#token", "Enter")
        expect(page.locator("#error")).to_contain_text("expected the token")
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        expect(page.locator("#latest")).to_have_text("no member yet")
        expect(page.locator("#items")).to_have_value("\n".join(map(str, world.keys("item"))))  # the popular ones first
        page.fill("#member", str(world.keys("member")[0]))
        page.click("#rank")
        expect(page.locator("#slate > li")).to_have_count(len(world.keys("item")))
        kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        assert json.loads(kept) == ["", {}, {}]


def test_the_page_has_a_content_security_policy_and_no_other_files(server: RunningServer) -> None:
    with server.client() as client:
        for path in ("/ui", "/ui/", "/ui/static/page.js", "/ui/static/page.css", "/ui/offers"):
            response = client.get(path)
            assert response.status_code == 200
            assert "default-src 'none'; script-src 'self'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
        for path in ("/ui/static/page.html", "/ui/static/../page.py", "/ui/static/..%2fpage.py", "/ui/other"):
            assert client.get(path).status_code == 404, path
        assert client.post("/ui/offers").status_code == 405


def _fulfil(document: Any, route: Route) -> None:
    route.fulfill(json=document)
