"""Values of every type that the where language knows, as Postgres prints them: extremes, odd ones and
plain ones. SHORT are those that expressions often meet, so that comparisons are sometimes true.
"""
TEXTS = ["", " ", "a", "A", "b", "ab", "abc", "aBc", "ABC", "%", "_", "a%b", "a_b", "a\\b", "\\", "a\\%b", "a'b",
         '"', "é", "É", "e\u0301", "ß", "İ", "ı", "ſ", "K", "日本", "日本語", "\U0001f600", "\u200b",
         "x y", "abc ", " abc", "a\nb", "a\tb", "10", "-1.5", "1e3", "true", "NULL", "{a,b}", "a,b,c", "a.b",
         "2024-02-29", "03:04:05", "z", "zz", "aa", "aaa", "ba", "bab", "xyzzy", "\x7f", "\u00a0", "(a)", "[a]", "a+"]

# The last timestamps are left out: two that are far apart differ by more than Postgres before 16 could say.
# name: (oid, oid of the array type, [values]); the table of types is Postgres' own.
VALUES = {
    "bool": (16, 1000, ["true", "false"]),
    "int2": (21, 1005, ["0", "1", "-1", "2", "3", "-3", "5", "10", "100", "32767", "-32768", "255"]),
    "int4": (23, 1007, ["0", "1", "-1", "2", "3", "-3", "5", "10", "100", "2147483647", "-2147483648", "65536"]),
    "int8": (20, 1016, ["0", "1", "-1", "2", "3", "-3", "5", "10", "9223372036854775807", "-9223372036854775808",
                        "4294967296", "2147483648"]),
    "float4": (700, 1021, ["0", "-0", "1", "-1", "1.5", "-2.5", "0.1", "NaN", "Infinity", "-Infinity", "3.4028235e+38",
                           "1e-45", "16777216", "0.5", "2.5", "1e+10"]),
    "float8": (701, 1022, ["0", "-0", "1", "-1", "1.5", "-2.5", "0.1", "NaN", "Infinity", "-Infinity",
                           "1.7976931348623157e+308", "5e-324", "1e+15", "123456789012345", "0.5", "2.5", "1e-05"]),
    "numeric": (1700, 1231, ["0", "0.00", "1", "-1", "1.5", "1.50", "-2.5", "0.1", "NaN", "Infinity", "-Infinity",
                             "12345678901234567890.123456789", "-7", "10000000000", "100", "0.000000001", "0.5",
                             "-0.5", "2.5", "99999.99995", "-99999999999999999999"]),
    "text": (25, 1009, TEXTS),
    "varchar": (1043, 1015, TEXTS),
    "bpchar": (1042, 1014, [t for t in TEXTS if "\u0301" not in t]),
    "name": (19, 1003, TEXTS),
    "uuid": (2950, 2951, ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"]),
    "bytea": (17, 1001, ["\\x", "\\x00", "\\xdeadbeef", "\\x5c", "\\x61", "\\xff"]),
    "date": (1082, 1182, ["2000-01-01", "2024-02-29", "1999-12-31", "0044-03-15 BC", "4713-01-01 BC", "infinity",
                          "-infinity", "12345-01-01", "5874897-12-31", "0001-01-01", "2024-12-30", "2024-03-31"]),
    "time": (1083, 1183, ["00:00:00", "24:00:00", "03:04:05.678", "23:59:59.999999", "12:00:00", "00:00:00.000001"]),
    "timestamp": (1114, 1115, ["2000-01-01 00:00:00", "2024-02-29 03:04:05.123456", "1999-12-31 23:59:59.999999",
                               "0044-03-15 10:00:00 BC", "4713-01-01 00:00:00 BC", "infinity", "-infinity",
                               "0001-01-01 00:00:00", "250000-12-31 23:59:59.999999", "12345-01-01 00:00:00",
                               "2024-03-31 02:30:00"]),
    "timestamptz": (1184, 1185, ["2000-01-01 00:00:00+00", "2024-02-29 03:04:05.123456+00",
                                 "1999-12-31 23:59:59.999999+00", "0044-03-15 10:00:00+00 BC", "infinity",
                                 "-infinity", "0001-01-01 00:00:00+00", "250000-12-31 23:59:59.999999+00",
                                 "2024-03-31 01:30:00+00", "2024-10-27 01:30:00+00"]),
    "interval": (1186, 1187, ["PT0S", "P1D", "PT24H", "P1M", "P30D", "P1Y2M3DT4H5M6.7S", "P-1D", "PT-1.5S", "P-1Y",
                              "P1M-1D", "PT0.000001S", "P1DT-1H", "PT-0.000001S", "P31D",
                              "P178956970Y7M", "P-178956970Y-8M"]),
    "jsonb": (3802, 3807, ["null", "true", "1", "1.50", "-0.5", '"a"', '"é"', "[]", "{}", "[1, 2, 3]", '["a", "b"]',
                           '{"a": 1}', '{"a": {"b": [1, null, "x"]}}', '{"a": null, "b": "c"}', '[{"a": 1}, [2]]',
                           '{"": 0, "a b": "\\u0001"}', '"10"', '[[]]', '{"a": [1, 2]}', "1e2"]),
    "json": (114, 199, ["null", ' {"a" : 1, "b":[1 , 2]} ', '{"a": 1, "a": 2}', " 5 ", '"a"', "[1 ,2 ]", '{"b": "x"}', "[]",
                        '{"a": {"b": [1, null, "x"]}}', "1.50"]),
    "enum": (0, 0, ["sad", "ok", "happy", "Very \"odd\"", "é"]),
}

LABELS = '{sad,ok,happy,"Very \\"odd\\"",é}'  # of the enum, in its order

BASES = list(VALUES)
STRINGS = ("text", "varchar", "bpchar", "name")
INTEGERS = ("int2", "int4", "int8")
NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")

PATTERNS = ["a%", "%b", "_", "__", "%", "", "a\\%b", "A%", "%\\\\%", "x_y", "_b%", "%a%b%", "a", "abc", "\\", "a\\",
            "%\\", "é", "_\u0301", "日_", "%É%", "%é%", "a\\_b", "%%", "_%_", "%ab_", "\\a%", "ſ", "K", "\U0001f600%"]
REGEXES = ["a", "^a", "b$", "^a.c$", "[a-c]+", "[^a]", "a|b", "(a)(b)", "a{2}", "^$", "", ".", "\\d+", "\\s", "\\w+$",
           "É", "^.$", "(?i)A", "[[:alpha:]]", "\\.", "x*", "ab?c", "(ab)+", "^\\S+$", "[é]", "a.*b",
           "a{1,2}b?", "a*?b", "(a|ab)(c|bc)", "[]a]", "[a\\]]", "[^\\w]", "\\D", "\\W", "\\ma", "a\\M", "\\yab",
           "\\Aa", "b\\Z", "(?:ab)c", "a(?=b)", "(a)\\1", "a{,2}", "a{2", "*a", "(", "[", "[b-a]", "a||b", "(|a)", "()",
           "\\x41", "\\u00e9", "\\n", "a\nb", "[[:digit:]-]", "[[:upper:]]", "[[:space:]]x", "^*", "a**", "$a", "a^",
           "日+", "^\\W$", "[\\d-]", "{", "a{0}", "x{0,1}y", "(a*)*b", "(^a|b$)", "\\.", "\\\\", "é{2}"]
FIELDS = ["year", "month", "day", "hour", "minute", "second", "quarter", "week", "dow", "doy", "isodow", "isoyear",
          "epoch", "century", "decade", "millennium", "millisecond", "microsecond", "milliseconds", "microseconds",
          "timezone", "julian", "YEAR", "nonsense"]

# What an argument of these operators and functions has to be to be worth asking: {(name, place): values}.
ARGUMENTS = {
    **{(name, 1): PATTERNS for name in ("~~", "!~~", "~~*", "!~~*", "like", "ilike", "notlike")},
    **{(name, 1): REGEXES for name in ("~", "!~", "~*", "!~*", "regexp_match", "regexp_like")},
    **{(name, 0): FIELDS for name in ("extract", "date_part", "date_trunc")},
    **{(name, 1): ["a", "b", "", "a b", "0", "1", "-1", "x"] for name in ("->", "->>", "?")},
    ("split_part", 1): [",", ".", "b", "", "abc", "é"],
    ("timezone", 0): ["UTC", "Europe/Berlin", "America/New_York"],
}

# Integers that count or index: large ones would only ever give NULL, or a gigabyte.
SMALL = ["0", "1", "2", "3", "-1", "-2", "5"]
COUNTS = {("left", 1), ("right", 1), ("substr", 1), ("substr", 2), ("substring", 1), ("substring", 2),
          ("split_part", 2), ("round", 1), ("trunc", 1), ("->", 1), ("->>", 1), ("repeat", 1), ("lpad", 1),
          ("rpad", 1), ("overlay", 2), ("overlay", 3)}


def base(type_name):
    return type_name.removesuffix("[]")


def values(type_name):
    """Texts of values of the type."""
    if not type_name.endswith("[]"):
        return VALUES[type_name][2]
    items = VALUES[base(type_name)][2]

    def spelled(*chosen):
        return "{" + ",".join("NULL" if item is None else '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
                              for item in chosen) + "}"
    a, b, c = items[0], items[1 % len(items)], items[2 % len(items)]
    return ["{}", spelled(a), spelled(b), spelled(a, b), spelled(b, a), spelled(a, None, c), spelled(None),
            spelled(a, b, c), spelled(*items[-3:]), spelled(a, a),
            "{" + spelled(a, b) + "," + spelled(b, c) + "}", "{" + spelled(a) + "," + spelled(None) + "}"]


def oid(type_name):
    return VALUES[base(type_name)][1 if type_name.endswith("[]") else 0]
