"""The record of the reference's answers (integration/golden/http.txt): reading it, comparing with it."""
import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "integration" / "golden"
COMPATIBILITY = Path(__file__).resolve().parent.parent.parent / "docs" / "compatibility.md"

NAME = re.compile(r"\{(handle|lsn|xid|mark|cursor|any|beyond)\d*\}")
NUMBER = re.compile(r'("(?:xmin|xmax|global_last_seen_lsn)":)"\d+"')
CUT = object()  # where the record ends with …

# Beside electric-*: what an answer must not have when the record does not show it.
SHOWN = ("cache-control", "etag", "retry-after", "access-control-max-age")


class Exchange:
    """One request and its answer."""

    def __init__(self, line, part):
        self.line = line
        self.part = part
        self.method, self.target = line.split(" ", 1)
        self.request_headers = {}
        self.request_body = None
        self.before = []
        self.during = []
        self.status = None
        self.seconds = None
        self.headers = {}
        self.body = ""
        self.bytes = None
        self.tail = None

    @property
    def is_live(self):
        return "live=true" in self.target


def _take(exchange, mark, rest):
    if mark == ">":
        name, value = rest.split(": ", 1)
        exchange.request_headers[name] = value
    elif mark == ">|":
        exchange.request_body = rest
    elif mark == "~":
        exchange.during.append(rest)
    elif mark == "|":
        exchange.body += ("\n" if exchange.body else "") + rest
    elif mark == "<" and exchange.status is None:
        exchange.status, exchange.seconds = int(rest.split()[0]), float(rest.split()[1])
    elif rest.startswith("bytes "):
        exchange.bytes = int(rest.split()[1])
    elif rest.startswith("tail "):
        exchange.tail = rest[5:]
    else:
        name, value = rest.split(":", 1)
        exchange.headers[name] = value.strip()


def read():
    """The exchanges in their order."""
    exchanges, before, part = [], [], None
    for line in (FOLDER / "http.txt").read_text(encoding="utf-8").split("\n"):
        mark, _, rest = line.partition(" ")
        if mark in ("", "#"):
            continue
        if mark == "@":
            part = rest
        elif mark == "!":
            before.append(rest)
        elif mark == ">" and re.match(r"[A-Z]+ /", rest):
            exchanges.append(Exchange(rest, part))
            exchanges[-1].before, before = before, []
        else:
            _take(exchanges[-1], mark, rest)
    return exchanges


def exceptions():
    """{request line: (recorded status, ours)} of docs/compatibility.md, where each is argued."""
    found = {}
    for line in COMPATIBILITY.read_text(encoding="utf-8").split("\n"):
        row = re.match(r"\| `([A-Z]+ /[^`]*)` \| (\d+) [^|]*\| (\d+) [^|]*\|", line)
        if row:
            found[row[1]] = int(row[2]), int(row[3])
    return found


# JSON of which only the beginning is there


def parse(text):
    """As json.loads; what a … cuts off is CUT, and so is whatever contains nothing but it."""
    if not text.endswith("…"):
        return json.loads(text)
    value, _ = _value(text[:-1], 0)
    return value


def _value(text, at):
    if at >= len(text):
        return CUT, at
    if text[at] == "[":
        return _array(text, at + 1)
    if text[at] == "{":
        return _object(text, at + 1)
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except json.JSONDecodeError:
        return CUT, len(text)
    return (value, end) if end < len(text) else (CUT, end)


def _array(text, at):
    items = []
    while at < len(text) and text[at] != "]":
        item, at = _value(text, at)
        items.append(item)
        at += at < len(text) and text[at] == ","
    if at >= len(text):
        items.append(CUT)
    return items, at + 1


def _object(text, at):
    members = {}
    while at < len(text) and text[at] != "}":
        name, at = _value(text, at)
        value, at = _value(text, at + 1) if at < len(text) else (CUT, at)
        if name is not CUT:
            members[name] = value
        at += at < len(text) and text[at] == ","
    if at >= len(text):
        members[CUT] = CUT
    return members, at + 1


# Comparing


class Names:
    """What stands for {handle1} and its like; no two of a kind stand for the same."""

    def __init__(self):
        self.known = {}
        self.may_share = False  # two handles may be one

    def fill(self, text):
        """A request's text with the names replaced."""
        def value(match):
            if match[0] == "{beyond}":
                return f"{int(self.known['{lsn1}']) + 10**9}_0"
            return self.known["{cursor}" if match[1] == "cursor" else match[0]]
        return NAME.sub(value, text)

    def text(self, want, have):
        """Whether a text is as recorded; names that are new are learnt."""
        if want.endswith("…"):
            return have.startswith(want[:-1])
        names = [match[0] for match in NAME.finditer(want)]
        if not names:
            return want == have
        pattern = "(.+)".join(re.escape(piece) for piece in NAME.split(want)[::2])
        found = re.fullmatch(pattern, have)
        return found is not None and all(map(self._is, names, found.groups()))

    def _is(self, name, have):
        if name.startswith("{cursor"):
            self.known["{cursor}"] = have
            return have.isdigit()
        if name == "{any}":
            return True
        if name not in self.known:
            kind = name.rstrip("0123456789}")
            taken = {value for key, value in self.known.items() if key.startswith(kind)}
            if have in taken and not (self.may_share and kind == "{handle"):
                return False
            self.known[name] = have
        return self.known[name] == have


def _is_number(want):
    return isinstance(want, str) and re.fullmatch(r"\{(xid|mark)\d+\}", want) is not None


def difference(want, have, names, at="body"):
    """Where two JSON values differ, as text; "" when they do not."""
    if want is CUT:
        return ""
    if isinstance(want, dict) and isinstance(have, dict):
        known = {name for name in want if name is not CUT}
        if not known <= set(have) or (CUT not in want and known != set(have)):
            return f"{at}: members {sorted(have)} instead of {sorted(known)}"
        return next(filter(None, (difference(want[name], have[name], names, f"{at}.{name}")
                                  for name in want if name is not CUT)), "")
    if isinstance(want, list) and isinstance(have, list):
        whole = [item for item in want if item is not CUT]
        if len(have) < len(whole) or (CUT not in want and len(have) != len(want)):
            return f"{at}: {len(have)} elements instead of {len(whole)}: {have}"
        return next(filter(None, (difference(item, have[n], names, f"{at}[{n}]")
                                  for n, item in enumerate(want) if item is not CUT)), "")
    if _is_number(want) and isinstance(have, int) and names.text(want, str(have)):
        return ""
    if isinstance(want, str) and isinstance(have, str) and names.text(want, have):
        return ""
    return "" if want == have and type(want) is type(have) else f"{at}: {have!r} not {want!r}"


def _seen_lsn(exchange, want, have, names):
    """up-to-date's LSN: live answers with data tell their own, others may have seen more ([23])."""
    for recorded, got in zip(want, have):
        lsn = recorded.get("headers", {}).get("global_last_seen_lsn") if recorded is not CUT else None
        if lsn in names.known and (not exchange.is_live
                                   or exchange.headers["electric-has-data"] == "false"):
            seen = got["headers"]["global_last_seen_lsn"]
            assert int(seen) >= int(names.known[lsn]), f"{seen} seen, {lsn} is {names.known[lsn]}"
            recorded["headers"]["global_last_seen_lsn"] = "{any}"


def _events(text):
    """The items of an event stream."""
    assert text.endswith("\n\n"), text
    lines = text[:-2].split("\n\n")
    assert all(line.startswith("data: ") for line in lines), text
    return [json.loads(line[6:]) for line in lines]


def compare_body(exchange, body, names):
    text = body.decode("utf-8")
    if exchange.bytes is not None:
        size = len(NUMBER.sub(r'\1""', text).encode())
        assert size == exchange.bytes, f"{size} bytes instead of {exchange.bytes}"
    if exchange.tail is not None:
        tail = NUMBER.sub(r'\1"{any}"', text[-len(exchange.tail) - 50:])
        assert tail.endswith(exchange.tail), f"ends with {tail}"
    if exchange.headers.get("content-type") == "text/event-stream":
        want, have = [json.loads(line[6:]) for line in exchange.body.split("\n")], _events(text)
    elif exchange.body[:1] in ("[", "{"):
        want, have = parse(exchange.body), json.loads(text)
    else:
        assert text == exchange.body, text
        return
    if isinstance(want, list) and isinstance(have, list):
        _seen_lsn(exchange, want, have, names)
    problem = difference(want, have, names)
    assert not problem, problem


def compare_headers(exchange, headers, names):
    shown = {name for name in headers if name in SHOWN or name.startswith("electric-")}
    shown -= {"electric-server"}
    recorded = {name for name in exchange.headers if name in SHOWN or name.startswith("electric-")}
    assert shown == recorded, f"headers {sorted(shown)} instead of {sorted(recorded)}"
    for name, want in exchange.headers.items():
        have = headers[name]
        if name == "electric-schema":
            problem = difference(json.loads(want), json.loads(have), names, name)
            assert not problem, problem
        else:
            assert names.text(want, have), f"{name}: {have} instead of {want}"
