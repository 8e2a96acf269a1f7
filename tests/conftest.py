"""Fixtures for all tests that run the whole engine against a real Postgres."""
import pytest

from pylib import engine as engine_module
from pylib.engine import Engine
from pylib.postgres import Cluster
from pylib.process import free_port


def pytest_addoption(parser):
    parser.addoption("--against-nothing", action="store_true",
                     help="run the tests of statements against a server that answers 200 and [] to"
                          " everything: a test that passes there counts as failed")


STATEMENTS = 43  # of http-api.md


def pytest_configure(config):
    config.addinivalue_line("markers", "statement(n): tests the statement [n] of http-api.md")


def pytest_collection_modifyitems(config, items):
    tested = {mark.args[0] for item in items for mark in item.iter_markers("statement")}
    config.statements = tested
    if config.option.against_nothing:
        items[:] = [item for item in items if list(item.iter_markers("statement"))]


def pytest_terminal_summary(terminalreporter, config):
    if config.statements:
        missing = sorted(set(range(1, STATEMENTS + 1)) - config.statements)
        terminalreporter.write_line(f"statements of http-api.md with a test: "
                                    f"{len(config.statements)} of {STATEMENTS}"
                                    f" (without: {missing or 'none'})")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its engines' logs."""
    outcome = yield
    report = outcome.get_result()
    if item.config.option.against_nothing and call.when == "call":
        has_noticed = report.failed
        report.outcome = "passed" if has_noticed else "failed"
        report.longrepr = None if has_noticed else "passes with a server that answers [] to all"
    if report.failed:
        for engine in engine_module.live_engines:
            report.sections.append((f"engine on port {engine.port}", engine.tail(60)))


@pytest.fixture(scope="session")
def cluster():
    """The Postgres that most tests share."""
    made = Cluster().start()
    yield made
    made.destroy()


READERS = {
    # The API reads the storage folder: one machine.
    "files": lambda: {},
    # It sees no folder, and the bytes come over the bus: containers, pods.
    "bus": lambda: {"SHAPEWIRE_API_STORAGE": "remote", **tcp_bus()},
}


def tcp_bus():
    """Every address of the bus on a port of its own."""
    names = ("REPORT", "STATUS", "REPL", "DB", "SHAPE", "LOG")
    return {f"SHAPEWIRE_BUS_{name}": f"tcp://127.0.0.1:{free_port()}" for name in names}


@pytest.fixture(scope="module", params=READERS)
def reader_settings(request):
    """Settings of an engine for each of the two ways that an API reads logs. To be called."""
    return READERS[request.param]


@pytest.fixture
def make_cluster():
    """Makes clusters of the test's own: make_cluster(settings={...}), not started."""
    made = []

    def make(**options):
        made.append(Cluster(**options))
        return made[-1]

    yield make
    for each in made:
        each.destroy()


@pytest.fixture
def make_engine():
    """Makes engines, not started: make_engine(database, ELECTRIC_X="…"). All end with the test."""
    made = []

    def make(database, storage=None, stream=None, **settings):
        url = database if isinstance(database, str) else database.url
        stream = stream or ("default" if isinstance(database, str) else database.stream)
        made.append(Engine(url, stream, settings, storage))
        return made[-1]

    yield make
    try:
        for each in made:
            each.stop()
    finally:
        for each in made:
            each.destroy()


@pytest.fixture
def database(cluster, request):
    """An empty database, dropped afterwards (after the engines, which are made from it)."""
    made = cluster.create_database()
    yield made
    made.drop()


@pytest.fixture
def engine(database, make_engine):
    """The whole engine on `database`, active."""
    return make_engine(database).start()


@pytest.fixture(scope="module")
def module_database(cluster):
    made = cluster.create_database()
    yield made
    made.drop()


@pytest.fixture(scope="module")
def module_engine(module_database):
    """One engine for all tests of a file that only read or use tables of their own."""
    settings = {"ELECTRIC_LONG_POLL_TIMEOUT": "1500ms",
                "ELECTRIC_ENABLE_INTEGRATION_TESTING": "true"}
    made = Engine(module_database.url, module_database.stream, settings)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.destroy()
