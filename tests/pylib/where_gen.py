"""Random expressions of the where language, made from the table of operators and functions that
oracle_probe prints: what is added to the table is generated without a change here.

An expression is a tree, so that it can be shrunk and spelled in several ways.
"""
import re

from pylib import where_values as values
from pylib.where_values import BASES, INTEGERS, NUMBERS, STRINGS, base

DEPTH = 6


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Node:
    """A piece of SQL of one type; parts are texts and nodes."""

    def __init__(self, type_name, *parts):
        self.type = type_name
        self.parts = parts

    def sql(self, style=None):
        style = style or Plain()
        return style.around(self, "".join(part if isinstance(part, str) else part.sql(style) for part in self.parts))

    def children(self):
        return [part for part in self.parts if isinstance(part, Node)]

    def walk(self):
        yield self
        for child in self.children():
            yield from child.walk()

    def size(self):
        return sum(1 for _ in self.walk())

    def replaced(self, old, new):
        """The tree with one node, `old`, changed."""
        if self is old:
            return new
        parts = [part if isinstance(part, str) else part.replaced(old, new) for part in self.parts]
        if all(a is b for a, b in zip(parts, self.parts)):
            return self
        return Node(self.type, *parts)


class Column(Node):
    def __init__(self, type_name, name):
        super().__init__(type_name)
        self.name = name

    def sql(self, style=None):
        return (style or Plain()).column(self.name)

    def replaced(self, old, new):
        return new if self is old else self


class Literal(Node):
    """form: bare ('x'), typed ('x'::t), before (t 'x'), cast, number, param; value None: NULL."""

    def __init__(self, type_name, value, form):
        super().__init__(type_name)
        self.value = value
        self.form = form

    def sql(self, style=None):
        return (style or Plain()).literal(self)

    def replaced(self, old, new):
        return new if self is old else self


def sql_type(type_name):
    return "mood" + type_name.removeprefix("enum") if base(type_name) == "enum" else type_name


class Plain:
    """As people write it; parameters stand as literals without a type."""

    def around(self, node, text):
        return text

    def column(self, name):
        return name if re.fullmatch("[a-z_0-9]+", name) else f'"{name}"'

    def text(self, value):
        return quoted(value)

    def literal(self, literal):
        if literal.value is None:
            return "NULL" if literal.form in ("bare", "param") else f"NULL::{sql_type(literal.type)}"
        text = self.text(literal.value)
        if literal.form == "number":
            return f"({literal.value})" if literal.value[0] == "-" else literal.value
        return {"bare": text, "param": text, "typed": f"{text}::{sql_type(literal.type)}",
                "before": f"{sql_type(literal.type)} {text}",
                "cast": f"CAST({text} AS {sql_type(literal.type)})"}[literal.form]


class Written(Plain):
    """As Postgres spells what only we know: it has ILIKE, and no function ilike."""

    def around(self, node, text):
        return "texticlike" + text[5:] if text.startswith("ilike(") else text


class Bound(Plain):
    """Parameters are $1…; .params has their values."""

    def __init__(self):
        self.params = []

    def literal(self, literal):
        if literal.form == "param" and literal.value is not None:
            self.params.append(literal.value)
            return f"${len(self.params)}"
        return super().literal(literal)


class Respelled(Bound):
    """The same meaning in other letters: blanks, comments, quotes, casts, parentheses, parameters."""

    def __init__(self, rnd):
        super().__init__()
        self.rnd = rnd

    def around(self, node, text):
        text = re.sub(r" (AND|OR|IS|NOT|IN|BETWEEN|LIKE|NULL|FROM) ", self._word, text)
        if self.rnd.random() < 0.2 and text.startswith("("):
            return f"({self.rnd.choice(['', ' ', '/* x */'])}{text})"
        return text

    def _word(self, match):
        blank = self.rnd.choice([" ", "  ", "\n", "\t", "\r\n "])
        return blank + self.rnd.choice([match[1], match[1].lower(), match[1].title()]) + blank

    def column(self, name):
        return f'"{name}"' if self.rnd.random() < 0.5 else super().column(name)

    def text(self, value):
        if self.rnd.random() < 0.3:
            return "E'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return quoted(value)

    def literal(self, literal):
        form = literal.form
        if literal.value is not None and form in ("typed", "before", "cast"):
            form = self.rnd.choice(["typed", "before" if "[]" not in literal.type else "typed", "cast"])
        elif literal.value is not None and form in ("bare", "param"):
            form = self.rnd.choice(["bare", "param"])
        return super().literal(Literal(literal.type, literal.value, form))


class Table:
    """What the probe's T prints."""

    def __init__(self, lines):
        self.functions = {}  # number: (kind, name, result, [argument types])
        self.casts = []
        for line in lines:
            fields = line.split("\t")
            if fields[0] == "F":
                self.functions[int(fields[1])] = (fields[2], fields[3], fields[4], fields[5:])
            elif fields[0] == "K":
                self.casts.append((fields[1], fields[2]))
        self.comparisons = {}  # type: [operators]
        self.makers = {}  # result type: [numbers]
        for number, (kind, name, result, args) in self.functions.items():
            if kind == "operator" and len(args) == 2 and args[0] == args[1] and result == "bool" and \
                    name in ("=", "<>", "<", "<=", ">", ">="):
                self.comparisons.setdefault(args[0], []).append(name)
            self.makers.setdefault(result, []).append(number)
        for name in ("varchar", "name"):
            self.comparisons.setdefault(name, self.comparisons["text"])


TESTS = ["NULL", "TRUE", "FALSE", "UNKNOWN"]
SYNTAX = {
    "extract": "extract({0} FROM {1})", "position": "position({0} IN {1})", "at time zone": "({1} AT TIME ZONE {0})",
}


class Generator:
    """columns: {type: [names]}."""

    def __init__(self, rnd, table, columns):
        self.rnd = rnd
        self.table = table
        self.columns = columns
        self.types = [name for name in columns if name in table.comparisons or base(name) in table.comparisons]
        self.arrays = [name for name in self.types if name.endswith("[]")]
        self.forms = {
            "AND": self.junction, "OR": self.junction, "NOT": self.negation, "IS NULL": self.test,
            "IS TRUE": self.test, "IS FALSE": self.test, "IS UNKNOWN": self.test,
            "IS NULL (not)": self.test, "IS TRUE (not)": self.test, "IS FALSE (not)": self.test,
            "IS UNKNOWN (not)": self.test, "IS DISTINCT FROM": self.distinct, "IS NOT DISTINCT FROM": self.distinct,
            "IN": self.in_list, "NOT IN": self.in_list, "BETWEEN": self.between, "BETWEEN (not)": self.between,
            "BETWEEN (symmetric)": self.between, "BETWEEN (not) (symmetric)": self.between, "ANY": self.any_all,
            "ALL": self.any_all, "CASE": self.case, "NULLIF": self.nullif, "COALESCE": self.listed,
            "GREATEST": self.listed, "LEAST": self.listed, "ROW": self.row, "ARRAY[]": self.array_of,
            "array[i]": self.index, "array[i:j]": self.slice, "$n": self.param,
        }

    # Leaves

    def pick(self, *pairs):
        """One of (weight, thing)."""
        return self.rnd.choices([thing for _, thing in pairs], [weight for weight, _ in pairs])[0]

    def literal(self, type_name, loose=False, text=None):
        rnd = self.rnd
        value = rnd.choice(values.values(type_name)) if text is None else text
        forms = ["bare", "bare", "param"] if loose else ["typed", "typed", "before", "cast"]
        if "before" in forms and type_name.endswith("[]"):
            forms.remove("before")
        if type_name in ("int4", "numeric", "int8") and rnd.random() < 0.5 and re.fullmatch(r"-?\d+(\.\d+)?", value):
            big = abs(float(value)) > 2147483647
            if "." in value if type_name == "numeric" else big == (type_name == "int8"):
                return Literal(type_name, value, "number")
        if rnd.random() < 0.05:
            return Literal(type_name, None, rnd.choice(forms))
        return Literal(type_name, value, rnd.choice(forms))

    def column(self, type_name):
        names = self.columns.get(type_name)
        return Column(type_name, self.rnd.choice(names)) if names else None

    def leaf(self, type_name, loose=False):
        if type_name == "bool" and self.rnd.random() < 0.2:
            return Node("bool", self.rnd.choice(["true", "false"]))
        if self.rnd.random() < 0.72 and type_name in self.columns:
            return self.column(type_name)
        if base(type_name) == "enum" and not loose:
            return self.column(type_name) or Literal(type_name, None, "bare")
        return self.literal(type_name, loose)

    # Any type

    def expr(self, type_name, depth, loose=False):
        rnd = self.rnd
        if type_name == "text" and rnd.random() < 0.15:
            type_name = rnd.choice(STRINGS)
        if depth <= 0 or rnd.random() < 0.3:
            return self.leaf(type_name, loose)
        if type_name == "bool" and rnd.random() < 0.75:
            return self.condition(depth)
        makers = self.table.makers.get(type_name, [])
        if type_name.endswith("[]"):
            makers = self.table.makers.get(type_name, []) + self.table.makers.get("unknown", [])
        chance = rnd.random()
        if makers and chance < 0.6:
            return self.call(rnd.choice(makers), depth - 1, type_name)
        if chance < 0.75:
            return self.convert(type_name, depth - 1)
        ways = [(2, self.case)]
        if type_name in self.types:
            ways += [(3, self.listed), (1, self.nullif), (1, self.param)]
        if type_name in self.arrays:
            ways += [(1, self.array_of)]
        if f"{type_name}[]" in self.arrays:
            ways += [(2, self.index)]
        if type_name == "text":
            ways += [(1, self.concat)]
        return self.pick(*ways)(depth - 1, type_name)

    def argument(self, name, place, type_name, depth, loose):
        rnd = self.rnd
        known = values.ARGUMENTS.get((name, place)) if type_name not in INTEGERS else None  # -> takes a place too
        if known and type_name in STRINGS and (name == "extract" or rnd.random() < 0.9):
            return Literal("text", rnd.choice(known), "bare" if known is values.FIELDS else
                           rnd.choice(["bare", "bare", "typed"]))
        if (name, place) in values.COUNTS and type_name in INTEGERS:
            small = Literal("int4", rnd.choice(values.SMALL), "number")
            return small if rnd.random() < 0.7 else Node("int4", "(", self.leaf("int4"), " % 7)")
        if type_name in ("int4", "int8", "float8", "numeric") and rnd.random() < 0.1:
            type_name = rnd.choice([t for t in NUMBERS if NUMBERS.index(t) <= NUMBERS.index(type_name)])
        return self.expr(type_name, depth, loose)

    def call(self, number, depth, wanted=None):
        """An operator or function of the table."""
        kind, name, result, args = self.table.functions[number]
        rnd = self.rnd
        any_type = None
        if "unknown" in args:
            any_type = wanted if wanted in self.arrays else rnd.choice(self.arrays)
        types = [any_type if a == "unknown" else base(any_type) if a == "element" else a for a in args]
        loose = rnd.randrange(len(types)) if rnd.random() < 0.3 and len(types) > 1 else -1
        nodes = [self.argument(name, i, t, depth if rnd.random() < 0.6 else 0, i == loose)
                 for i, t in enumerate(types)]
        result = any_type if result == "unknown" else result
        if name in SYNTAX:
            pieces = re.split(r"\{(\d)\}", SYNTAX[name])
            return Node(result, *[nodes[int(p)] if i % 2 else p for i, p in enumerate(pieces)])
        if name[0].isalpha():
            return Node(result, name, "(", *self.joined(nodes, ", "), ")")
        if len(nodes) == 1:
            return Node(result, "(", name, " ", nodes[0], ")")
        return Node(result, "(", nodes[0], f" {self.operator(name)} ", nodes[1], ")")

    def operator(self, name):
        words = {"~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE", "<>": "!="}
        return words[name] if name in words and self.rnd.random() < 0.7 else name

    @staticmethod
    def joined(nodes, between):
        parts = []
        for node in nodes:
            parts += [between, node] if parts else [node]
        return parts

    def convert(self, type_name, depth):
        sources = [a for a, b in self.table.casts if b == type_name]
        if type_name in STRINGS and self.rnd.random() < 0.7:
            sources = self.types
        elif self.rnd.random() < 0.3 or not sources:
            sources = ["text"] if base(type_name) != "enum" else []
        if not sources:
            return self.leaf(type_name)
        return self.cast(self.rnd.choice(sources), type_name, depth)

    def cast(self, source, target, depth):
        rnd = self.rnd
        # What else Postgres would read as a date we may not: docs/where.md, "Texts that are read".
        is_time = base(target) in ("date", "time", "timestamp", "timestamptz", "interval")
        inner = self.expr(source, 0 if is_time and source in STRINGS else depth)
        if source in STRINGS and target not in STRINGS and rnd.random() < 0.7:  # mostly what can be read
            text = rnd.choice(values.values(target))
            inner = self.coalesce_to(Literal("text", text, "typed"))
        if rnd.random() < 0.3:
            return Node(target, "CAST(", inner, f" AS {sql_type(target)})")
        return Node(target, "(", inner, f")::{sql_type(target)}")

    def coalesce_to(self, literal):
        """A text that is the literal's for most rows, and is no constant."""
        return Node("text", "COALESCE(lower(", self.literal_null("text"), "), ", literal, ")") \
            if self.rnd.random() < 0.3 else self.null_or(literal)

    def literal_null(self, type_name):
        return Literal(type_name, None, "typed")

    def null_or(self, literal):
        """The literal, or NULL where some column is NULL."""
        column = self.column(self.rnd.choice([t for t in STRINGS if t in self.columns]))
        return Node("text", "(", literal, " || left(", column, ", 0))") if self._has("left") else \
            Node("text", "concat(", literal, ")")

    def _has(self, name):
        return any(f[1] == name for f in self.table.functions.values())

    def any_type(self, comparable=True):
        return self.rnd.choice(self.types if comparable else list(self.columns))

    # Forms

    def condition(self, depth):
        """Something that is true or false."""
        rnd = self.rnd
        booleans = self.table.makers.get("bool", [])
        return self.pick(
            (6, lambda: self.call(rnd.choice(booleans), depth - 1)), (4, lambda: self.junction(depth - 1)),
            (2, lambda: self.negation(depth - 1)), (1, lambda: self.test(depth - 1)),
            (1, lambda: self.distinct(depth - 1)), (1, lambda: self.in_list(depth - 1)),
            (1, lambda: self.between(depth - 1)), (1, lambda: self.any_all(depth - 1)),
            (1, lambda: self.row(depth - 1)))()

    def junction(self, depth, _=None):
        word = self.rnd.choice([" AND ", " OR "])
        return Node("bool", "(", *self.joined([self.expr("bool", depth) for _ in range(self.pick((4, 2), (1, 3)))],
                                              word), ")")

    def negation(self, depth, _=None):
        return Node("bool", "(NOT ", self.expr("bool", depth), ")")

    def test(self, depth, _=None):
        word = self.rnd.choice(TESTS)
        inner = self.expr("bool" if word != "NULL" else self.any_type(False), depth)
        return Node("bool", "(", inner, f" IS {self.rnd.choice(['', 'NOT '])}{word})")

    def pair(self, depth):
        """(type, two or more expressions that compare)."""
        type_name = self.any_type()
        return type_name, self.expr(type_name, depth)

    def alike(self, type_name, depth, loose=True):
        rnd = self.rnd
        if type_name in NUMBERS and rnd.random() < 0.15:
            type_name = rnd.choice(NUMBERS)
        elif type_name in STRINGS and rnd.random() < 0.2:
            type_name = rnd.choice(STRINGS)
        elif type_name in ("date", "timestamp") and rnd.random() < 0.15:
            type_name = rnd.choice(["date", "timestamp", "timestamptz"])
        return self.expr(type_name, depth, loose)

    def distinct(self, depth, _=None):
        type_name, left = self.pair(depth)
        word = self.rnd.choice(["IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
        return Node("bool", "(", left, f" {word} ", self.alike(type_name, depth), ")")

    def in_list(self, depth, _=None):
        type_name, left = self.pair(depth)
        items = [self.alike(type_name, 0) for _ in range(self.rnd.randint(1, 4))]
        return Node("bool", "(", left, self.rnd.choice([" IN (", " NOT IN ("]), *self.joined(items, ", "), "))")

    def between(self, depth, _=None):
        type_name, left = self.pair(depth)
        word = self.rnd.choice(["BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"])
        return Node("bool", "(", left, f" {word} ", self.alike(type_name, 0), " AND ", self.alike(type_name, 0), ")")

    def any_all(self, depth, _=None):
        rnd = self.rnd
        array = rnd.choice(self.arrays)
        element = base(array)
        operators = self.table.comparisons.get(element, ["="])
        if element in STRINGS and rnd.random() < 0.3:
            operators = ["~~", "~~*", "!~~"]
        right = rnd.choice([lambda: self.expr(array, depth), lambda: self.array_of(depth, array),
                            lambda: self.literal(array, True)])()
        return Node("bool", "(", self.expr(element, depth), f" {rnd.choice(operators)} {rnd.choice(['ANY', 'ALL'])} (",
                    right, "))")

    def case(self, depth, wanted=None):
        type_name = wanted or self.any_type()
        rnd = self.rnd
        parts = ["CASE"]
        operand = None
        if rnd.random() < 0.4:
            operand = self.any_type()
            parts += [" ", self.expr(operand, depth)]
        for _ in range(self.pick((2, 1), (1, 2))):
            test = self.alike(operand, 0) if operand else self.expr("bool", depth)
            parts += [" WHEN ", test, " THEN ", self.expr(type_name, depth)]
        if rnd.random() < 0.7:
            parts += [" ELSE ", self.expr(type_name, depth, True)]
        return Node(type_name, "(", *parts, " END)")

    def nullif(self, depth, wanted=None):
        type_name = wanted if wanted in self.types else self.any_type()
        return Node(type_name, "NULLIF(", self.expr(type_name, depth), ", ", self.expr(type_name, 0, True), ")")

    def listed(self, depth, wanted=None):
        type_name = wanted if wanted in self.types else self.any_type()
        name = self.rnd.choice(["COALESCE", "GREATEST", "LEAST"])
        items = [self.expr(type_name, depth)]
        items += [self.expr(type_name, 0, True) for _ in range(self.pick((1, 0), (4, 1), (2, 2)))]
        return Node(type_name, f"{name}(", *self.joined(items, ", "), ")")

    def row(self, depth, _=None):
        types = [self.any_type() for _ in range(self.rnd.randint(2, 3))]

        def side(how):
            return Node("record", "(", *self.joined([how(t) for t in types], ", "), ")")
        left = side(lambda t: self.expr(t, depth if self.rnd.random() < 0.3 else 0))
        if self.rnd.random() < 0.4:
            items = [side(lambda t: self.expr(t, 0, True)) for _ in range(self.rnd.randint(1, 3))]
            return Node("bool", "(", left, self.rnd.choice([" IN (", " NOT IN ("]), *self.joined(items, ", "), "))")
        word = self.rnd.choice(["=", "<>", "<", "<=", ">", ">=", "=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
        return Node("bool", "(", left, f" {word} ", side(lambda t: self.expr(t, 0, True)), ")")

    def array_of(self, depth, wanted=None):
        array = wanted if wanted in self.arrays else self.rnd.choice(self.arrays)
        items = [self.expr(base(array), 0) for _ in range(self.rnd.randint(1, 3))]
        return Node(array, "ARRAY[", *self.joined(items, ", "), "]")

    def index(self, depth, wanted=None):
        array = f"{wanted}[]" if f"{wanted}[]" in self.arrays else self.rnd.choice(self.arrays)
        place = Literal("int4", self.rnd.choice(["1", "2", "3", "0", "-1"]), "number") \
            if self.rnd.random() < 0.8 else self.expr("int4", 0)
        parts = ["(", self.expr(array, depth), ")[", place, "]"]
        if self.rnd.random() < 0.2:
            parts += ["[", Literal("int4", self.rnd.choice(["1", "2"]), "number"), "]"]
        return Node(base(array), *parts)

    def slice(self, depth, wanted=None):
        array = wanted if wanted in self.arrays else self.rnd.choice(self.arrays)
        return Node(array, "(", self.expr(array, depth), ")[1:2]")

    def param(self, depth, wanted=None):
        type_name = wanted if wanted in self.types else self.any_type()
        literal = Literal(type_name, self.rnd.choice(values.values(type_name)), "param")
        if wanted is None:
            return Node("bool", "(", self.leaf(type_name), " = ", literal, ")")
        return Node(type_name, "COALESCE(", self.leaf(type_name), ", ", literal, ")")

    def concat(self, depth, _=None):
        items = [self.expr(self.rnd.choice(["text", "text", "varchar", "int4", "name"]), depth)
                 for _ in range(self.rnd.randint(1, 3))]
        return Node("text", "concat(", *self.joined(items, ", "), ")")

    # A whole clause

    def lifted(self, node, depth):
        """A condition over the value of a node."""
        rnd = self.rnd
        operators = self.table.comparisons.get(node.type) or self.table.comparisons.get(base(node.type))
        if node.type == "bool":
            return node
        if not operators or rnd.random() < 0.05:
            return Node("bool", "(", node, f" IS {rnd.choice(['', 'NOT '])}NULL)")
        chance = rnd.random()
        if chance < 0.7:
            other = self.alike(node.type, depth)
            sides = [node, other] if rnd.random() < 0.8 else [other, node]
            return Node("bool", "(", sides[0], f" {self.operator(rnd.choice(operators))} ", sides[1], ")")
        if chance < 0.8:
            items = [self.alike(node.type, 0) for _ in range(rnd.randint(1, 3))]
            return Node("bool", "(", node, " IN (", *self.joined(items, ", "), "))")
        if chance < 0.9:
            return Node("bool", "(", node, f" IS {rnd.choice(['', 'NOT '])}DISTINCT FROM ",
                        self.alike(node.type, 0), ")")
        return Node("bool", "(", node, " BETWEEN ", self.alike(node.type, 0), " AND ", self.alike(node.type, 0), ")")

    def embedded(self, node, depth):
        """The condition inside of others."""
        for left in range(depth, 0, -1):
            chance = self.rnd.random()
            other = self.expr("bool", depth - left)
            if chance < 0.35:
                node = Node("bool", "(", node, " AND ", other, ")")
            elif chance < 0.7:
                node = Node("bool", "(", other, " OR ", node, ")")
            elif chance < 0.85:
                node = Node("bool", "(NOT ", node, ")")
            else:
                node = Node("bool", "(", node, f" IS {self.rnd.choice(TESTS)})")
        return node

    def goal(self, use, depth):
        """An expression that should have this use: f12, s:IN, c:int4>text."""
        kind, _, what = use.partition(":")
        if kind == "n":
            return self.concat(depth)
        if kind == "c":
            return self.cast(*what.split(">"), depth)
        if kind == "s":
            for _ in range(50):  # the words that a form chooses among
                node = self.forms[what](depth, None)
                if self.says(node, what):
                    return node
            return node
        return self.call(int(use[1:]), depth)

    @staticmethod
    def says(node, what):
        text = "".join(part for part in node.parts if isinstance(part, str))
        words = what.replace("ARRAY[]", "ARRAY[").replace(" (symmetric)", " SYMMETRIC")
        if " (not)" in words:
            word = words.replace(" (not)", "")
            words = "NOT " + word if word.startswith("BETWEEN") else word.replace("IS ", "IS NOT ")
        elif what.startswith("BETWEEN"):
            return words in text and "NOT" not in text and ("SYMMETRIC" in text) == ("SYMMETRIC" in words)
        if what in ("AND", "OR", "NOT", "IN", "NOT IN", "ANY", "ALL"):
            return f" {words} " in f" {text.replace('(', ' ').replace(')', ' ')} " and \
                ("NOT" in words or " NOT " not in text)
        if what.startswith("array") or what in ("ROW", "$n", "concat", "ARRAY[]"):
            return True
        return words in text

    def clause(self, use):
        deep = self.rnd.random() < 0.5
        node = self.goal(use, self.rnd.randint(0, 3) if deep else self.rnd.randint(0, 1))
        lifted = self.lifted(node, 1 if deep else 0)
        return node, self.embedded(lifted, self.rnd.randint(1, DEPTH - 3) if deep else 0)

    def wild(self):
        """Types that need not fit: what Postgres refuses we refuse."""
        rnd = self.rnd
        operators = sorted({f[1] for f in self.table.functions.values() if f[0] == "operator"})
        left = self.expr(self.any_type(), 1, rnd.random() < 0.4)
        right = self.expr(self.any_type(), 1, rnd.random() < 0.4)
        node = Node("bool", "(", left, f" {rnd.choice(operators)} ", right, ")")
        return Node("bool", "(", node, rnd.choice([" IS NOT NULL)", "::text = 'a')"])) \
            if rnd.random() < 0.3 else node
