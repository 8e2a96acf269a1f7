"""A regular expression that we accept matches exactly the texts that it matches in Postgres.

Random patterns, well formed and broken ones, over random texts. What Postgres refuses we refuse too;
what we refuse beyond that is named in docs/where.md.

A run is a function of its seed: SHAPEWIRE_REGEX_SEED, and SHAPEWIRE_REGEX_PATTERNS patterns.
"""
import os
import random
import re

import psycopg2
import pytest

from pylib.where_oracle import Probe, escaped

SEED = int(os.environ.get("SHAPEWIRE_REGEX_SEED", "1"))
PATTERNS = int(os.environ.get("SHAPEWIRE_REGEX_PATTERNS", "3000"))

ALPHABET = "aabbcABx1_- .\n\té日\u00e7{}[]^$\\"
TEXTS = ["", "a", "b", "ab", "aab", "abab", "AB", "aB", "a b", " ", "\n", "a\nb", "_", "a_1", "1", "12", "é", "日本",
         "a-b", "x.y", "a{1}", "[a]", "^a$", "\\", "a\\b", "ÉA", "ſ", "\t", "foo bar", "ba ab", "-", "]", "}", "\x0b", "\x7f",
         "\u00a0", "\u0085", "K", "\U0001f600"]
OURS_ALONE = re.compile(r"not supported|too (long|complex|many)|letters beyond ASCII|unsupported character class"
                        r"|invalid character range|invalid repetition count|quantifier operand invalid")


class Generator:
    def __init__(self):
        self.rnd = random.Random(SEED)

    def character(self):
        return self.rnd.choice(["a", "a", "b", "b", "c", "A", "B", "1", "_", "-", " ", "é", "日", "x", "\n", "}", "]"])

    def bracket(self):
        rnd = self.rnd
        items = []
        for _ in range(rnd.randint(1, 3)):
            items.append(rnd.choice([
                self.character, lambda: rnd.choice(["a-c", "A-Z", "0-9", "!-~", "é-日", "+--", "a-", " -a"]),
                lambda: f"[:{rnd.choice(['alpha', 'digit', 'alnum', 'upper', 'lower', 'space', 'blank', 'punct', 'graph', 'print', 'xdigit'])}:]",
                lambda: rnd.choice(["\\d", "\\s", "\\w", "\\n", "\\]", "\\\\", "\\-", "\\u0061", "^", "[", ".", "*"])])())
        return f"[{rnd.choice(['', '', '^'])}{rnd.choice(['', '', '', ']', '-'])}{''.join(items)}{rnd.choice(['', '', '-'])}]"

    def atom(self, depth):
        rnd = self.rnd
        chance = rnd.random()
        if chance < 0.4 or depth == 0:
            return self.character()
        if chance < 0.55:
            return self.bracket()
        if chance < 0.65:
            return rnd.choice([".", "\\d", "\\D", "\\s", "\\S", "\\w", "\\W", "\\.", "\\\\", "\\n", "\\t", "\\u00e9", "\\[", "\\{", "{"])
        if chance < 0.75:
            return rnd.choice(["^", "$", "\\A", "\\Z", "\\m", "\\M", "\\y", "\\Y"])
        return f"{rnd.choice(['(', '(', '(?:'])}{self.pattern(depth - 1)})"

    def piece(self, depth):
        quantifier = self.rnd.choice(["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,2}", "{0,1}", "{2,}",
                                      "{,2}", "{1,2}?", "{0,0}"])
        return self.atom(depth) + quantifier

    def branch(self, depth):
        return "".join(self.piece(depth) for _ in range(self.rnd.choice([0, 1, 1, 2, 2, 3])))

    def pattern(self, depth=2):
        return "|".join(self.branch(depth) for _ in range(self.rnd.choice([1, 1, 1, 2, 3])))

    def broken(self):
        """Near to a pattern."""
        pattern = self.pattern()
        place = self.rnd.randint(0, len(pattern))
        junk = self.rnd.choice(["(", ")", "[", "]", "{", "}", "*", "+", "?", "|", "\\", "^", "$", "(?", "[:", "{1", "-", "\\1", "\\q",
                                "\\b", "(?=a)", "**", "[[:foo:]]", "[b-a]", "{2,1}", "{300}"])
        return pattern[:place] + junk + pattern[place:]

    def text(self):
        return "".join(self.rnd.choice(ALPHABET) for _ in range(self.rnd.randint(0, 8)))


@pytest.fixture
def texts(database):
    generator = Generator()
    connection = database.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    all_texts = TEXTS + [generator.text() for _ in range(60)]
    cursor.execute("CREATE TABLE r (n serial, t text)")
    for text in all_texts:
        cursor.execute("INSERT INTO r (t) VALUES (%s)", [text])
    yield generator, cursor, all_texts
    connection.close()


def postgres(cursor, operator, pattern):
    try:
        cursor.execute(f"SELECT t COLLATE \"C\" {operator} %s FROM r ORDER BY n", [pattern])
        return "".join("t" if truth else "f" for truth, in cursor.fetchall())
    except psycopg2.errors.InvalidRegularExpression as refusal:
        return refusal


def test_patterns_match_what_they_match_in_postgres(texts):
    generator, cursor, all_texts = texts
    probe = Probe()
    probe.say("C t 25")
    for text in all_texts:
        probe.say("R " + escaped(text))
    accepted = refused_by_both = mixed = 0
    for i in range(PATTERNS):
        pattern = generator.broken() if i % 4 == 0 else generator.pattern()
        operator = generator.rnd.choice(["~", "~*", "!~", "!~*"])
        answer = probe.ask("W", f"t {operator} $1", pattern)
        theirs = postgres(cursor, operator, pattern)
        where = f"seed {SEED}: {operator} {pattern!r}"
        if answer[0] == "ERR":
            if isinstance(theirs, str):
                assert OURS_ALONE.search(answer[1]), f"{where}: {answer}"
            else:
                refused_by_both += 1
            continue
        assert isinstance(theirs, str), f"{where}: we accept it, but Postgres says: {theirs}"
        differing = [(text, ours, their) for text, ours, their in zip(all_texts, answer[2], theirs) if ours != their]
        assert not differing, f"{where}: {differing}"
        accepted += 1
        mixed += len(set(theirs)) == 2
    probe.close()
    assert accepted > PATTERNS / 3 and mixed > accepted / 5 and refused_by_both > 0, (accepted, mixed, refused_by_both)
