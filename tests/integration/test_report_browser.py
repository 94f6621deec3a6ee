"""The report in a real browser: nothing is missing, at any width, by day and by night."""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.doubles import sweep_journal
from workloads.report import index
from workloads.report import page as report_page
from workloads.report.page import build
from workloads.report.reading import read

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip

FIGURES = """
return [...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBBox(), shapes = [...svg.querySelectorAll('path, use, rect')];
  const painted = shapes.filter(shape => {
    const style = getComputedStyle(shape);
    return style.fill !== 'none' || style.stroke !== 'none';
  });
  return {
    name: svg.closest('figure').id,
    width: box.width, height: box.height,
    painted: painted.length,
    words: [...svg.querySelectorAll('text')].map(text => text.textContent),
    smallest: Math.min(...[...svg.querySelectorAll('text')].map(
      text => parseFloat(getComputedStyle(text).fontSize) * text.getCTM().d)),
    leftover: [...svg.querySelectorAll('*')].some(
      part => (part.getAttribute('style') || '').includes('#0100')),
  };
});
"""
CONTRAST = """
const probe = document.createElement('span');
document.body.append(probe);
const light = name => {
  probe.style.color = `var(${name})`;
  const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map(value => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = ([front, back]) => {
  const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const found = Object.fromEntries(arguments[0].map(pair => [pair.join(' on '), ratio(pair)]));
probe.remove();
return found;
"""
WIDEST = "return [document.documentElement.scrollWidth, innerWidth];"
OUTSIDE = """
return [...document.querySelectorAll('figure')].flatMap(figure => {
  const edge = figure.querySelector('svg').getBoundingClientRect().right + 1;
  return [...figure.querySelectorAll('svg text')]
    .filter(text => text.getBoundingClientRect().right > edge)
    .map(text => `${figure.id}: ${text.textContent}`);
});
"""
SERIES = [f"--{name}{shade}" for name in ("ray", "dask", "plain") for shade in ("", "-2", "-3")]
ANCHORS = """
return [...document.querySelectorAll('a[href^="#"]')].map(link => ({
  to: link.hash, found: !!document.getElementById(link.hash.slice(1))}));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        opened = webdriver.Chrome(options=options, service=Service(driver))
        try:
            opened.set_page_load_timeout(60)
            yield opened
        finally:
            opened.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def change(row):
        if (row.engine, row.nodes, row.repeat) == ("dask", 3, 2):
            deaths = ({"node": "worker-2", "after_seconds": 4.0, "detail": ""},)
            return dataclasses.replace(row, deaths=deaths)
        return row

    folder = tmp_path_factory.mktemp("results") / "forest"
    return build(sweep_journal.write(folder, sweep_journal.entries(change=change))).html


@pytest.fixture(scope="module")
def varied_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes of the data, each with shared trees and without."""
    options = sweep_journal.varied({**sweep_journal.ROWS, **sweep_journal.REUSE})
    folder = tmp_path_factory.mktemp("results") / "varied"
    return build(sweep_journal.write(folder, sweep_journal.entries(**options))).html


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first page over a sweep that pays, one that does not, and one with many settings."""
    root = tmp_path_factory.mktemp("results")
    knn = dataclasses.replace(sweep_journal.WORK, workload="knn")
    slow = {"plain": 0.1, "ray": 0.9, "dask": 0.6}
    many = {"format": ["csv", "parquet"], "threads": [1, 4], "folds": [3, 5]}
    sweeps = {
        "forest": sweep_journal.entries(repeats=1),
        "digits": sweep_journal.entries(work=knn, time=lambda run: slow[run.cell.engine]),
        "settings": sweep_journal.entries(**sweep_journal.varied(many), repeats=1),
    }
    for name, entries in sweeps.items():
        report_page.write(read(sweep_journal.write(root / name, entries)))
    return index.write(root, [read(root / name) for name in sweeps], earlier=("old",))


@pytest.fixture(
    params=[(1280, False), (1280, True), (390, False), (390, True)],
    ids=["desk by day", "desk by night", "phone by day", "phone by night"],
)
def opened(request, browser, page) -> webdriver.Chrome:
    width, dark = request.param
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


def test_the_console_stays_silent(opened):
    assert opened.get_log("browser") == []
    assert "forest" in opened.title


def test_each_figure_is_drawn_and_legible(opened):
    figures = opened.execute_script(FIGURES)
    assert [figure["name"] for figure in figures] == [
        "time", "speed-up", "efficiency", "cost", "phases", "memory-peak", "moved", "cpu-ray",
        "memory-ray", "cpu-dask", "memory-dask", "cpu-plain", "memory-plain", "bringup-ray",
        "bringup-dask", "quality",
    ]  # fmt: skip
    for figure in figures:
        name = figure["name"]
        assert figure["width"] > 200, name
        assert figure["height"] > 60, name
        assert figure["painted"] >= 8, name
        assert len(figure["words"]) >= 5, name
        assert not figure["leftover"], name
        assert figure["smallest"] >= 9, name
    by_name = {figure["name"]: figure["words"] for figure in figures}
    assert {"Ray", "Dask", "plain", "nodes", "seconds"} <= set(by_name["time"])
    assert {"head", "worker-1", "worker-2"} <= set(by_name["cpu-ray"])


def test_nothing_sticks_out_of_the_page(opened):
    content, window = opened.execute_script(WIDEST)
    assert content <= window


def test_the_names_of_variations_have_room(opened, varied_page):
    opened.get(varied_page.as_uri())
    content, window = opened.execute_script(WIDEST)
    assert content <= window
    assert opened.execute_script(OUTSIDE) == []
    figures = {one["name"]: one["words"] for one in opened.execute_script(FIGURES)}
    assert {"Ray reuse=true", "Dask reuse=false", "plain"} <= set(figures["time-2"])


def test_every_link_leads_somewhere(opened):
    links = opened.execute_script(ANCHORS)
    assert len(links) == 6
    assert all(link["found"] for link in links)


def test_every_colour_can_be_read(opened):
    pairs = [[front, "--paper"] for front in
             ("--ink", "--muted", "--accent", "--good", "--warn", *SERIES)]  # fmt: skip
    found = opened.execute_script(CONTRAST, [*pairs, ["--warn", "--warn-paper"]])
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


def test_by_night_the_page_is_dark(browser, page):
    shades = {}
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.get(page.as_uri())
        shades[scheme] = browser.execute_script(
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle("
            "document.querySelector('#time path[style*=ray]')).stroke];"
        )
    assert shades["light"][0] != shades["dark"][0]
    assert shades["light"][1] != shades["dark"][1]


@pytest.mark.parametrize("name", ["index.html", "settings.html", "settings/report.html"])
def test_the_pages_over_all_sweeps_are_whole_at_any_width(opened, overview, name):
    opened.get((overview.parent / name).as_uri())
    assert opened.get_log("browser") == []
    content, window = opened.execute_script(WIDEST)
    assert content <= window
    assert opened.execute_script(OUTSIDE) == []
    figures = opened.execute_script(FIGURES)
    assert figures
    for figure in figures:
        assert figure["width"] > 200, figure
        assert figure["smallest"] >= 9, figure
        assert not figure["leftover"], figure
    assert all(link["found"] for link in opened.execute_script(ANCHORS))


def test_one_gets_from_the_first_page_to_every_other(browser, overview):
    def follow(words):
        browser.get(browser.find_element("partial link text", words).get_attribute("href"))
        return browser.find_element("tag name", "h1").text

    browser.get(overview.as_uri())
    assert "Do not distribute: knn." in browser.find_element("tag name", "h1").text
    assert follow("digits") == "Do not distribute this."
    assert "Do not distribute: knn." in follow("All sweeps")
    assert "Which setting matters" in follow("Which setting matters")
    link = browser.find_element("css selector", "h2 a[href$='report.html']")
    browser.get(link.get_attribute("href"))
    assert browser.title.startswith("settings: ")


def test_the_first_page_needs_no_script(browser, overview):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(overview.as_uri())
        assert "worth it" in browser.page_source
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "<script" not in overview.read_text()
